export const gkr_version: u32 = 1;
