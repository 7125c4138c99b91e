/** What a command says that a signal ended, on either stream, and the exit code. */
export const interrupted = (signal: string, json: boolean): { readonly err: string; readonly out: string; readonly exit: 130 } => {
  const message = `interrupted (${signal}); finished steps are kept and nothing is half written: run the same command again to go on`;
  return {
    err: `\ncertune: ${message}\n`,
    out: json ? `${JSON.stringify({ error: { code: 'interrupted', message, exit: 130 } })}\n` : '',
    exit: 130,
  };
};
