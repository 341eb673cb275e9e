export const RUN_ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;
