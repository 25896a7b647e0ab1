/** French names of the demo schema's fields; `=value` names a choice. */
export const french: Readonly<Record<string, string>> = {}
