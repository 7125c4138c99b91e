/** 1 KiB of the calling thread's own: set once by the runtime. */
export let own: usize = 0;
export function setScratch(p: usize): void { own = p; }
