/** Names for run.yaml. */
export const FORMATS = ['auto', 'messages', 'prompt-completion', 'alpaca', 'sharegpt', 'text'] as const;
