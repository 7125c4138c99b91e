export const sumcheck_version: u32 = 1;
