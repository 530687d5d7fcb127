// The application's own texts in English.
export default {} as const;
