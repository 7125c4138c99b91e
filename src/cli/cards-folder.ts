/** Folder of the cards of a proof file: beside it, so that its bytes never change. */
export const cardsFolder = (proof: string): string => `${proof}.cards`;
