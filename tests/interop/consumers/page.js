/** What the page of every consumer does: it shows a value of the server that its address names. */

/**
 * @param {(options: { url: string, token?: string }) => any} connect makes the client
 */
export async function show(connect) {
  const query = new URLSearchParams(location.search)
  const token = query.get('token')
  const client = connect({ url: query.get('server') ?? '', ...(token !== null && { token }) })
  const settings = client.entity('settings')
  try {
    const { companyName } = await settings.ready()
    document.body.textContent = `${settings.mode} ${companyName}`
  } catch (error) {
    document.body.textContent = `${error}`
  }
}
