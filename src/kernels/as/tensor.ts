export const tensor_version: u32 = 1;
