export const claims_version: u32 = 1;
