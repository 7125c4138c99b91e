/** Imported first: time is that of the processor, which says on a busy machine what a quiet one would take. */
performance.now = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
