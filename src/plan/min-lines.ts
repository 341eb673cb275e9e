/** Fewer lines than this say too little about a run to forecast it. */
export const MIN_LINES = 20;
