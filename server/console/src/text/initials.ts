/** First letters of the first and last name, for a round sign in place of a portrait. */
export function initials(name = ''): string {
  const parts = name.split(/\s+/).filter(Boolean)
  return [parts[0], parts.length > 1 ? parts.at(-1) : '']
    .map(part => Array.from(part ?? '')[0] ?? '')
    .join('')
    .toUpperCase()
}
