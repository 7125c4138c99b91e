/** Names for run.yaml. */
export const FORMATS = [
  'auto',
  'messages',
  'prompt-completion',
  'prompt-completion-messages',
  'alpaca',
  'dolly',
  'sharegpt',
  'text',
] as const;
