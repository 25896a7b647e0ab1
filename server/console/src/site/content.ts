/** The parts of the demo schema that the site shows. Everything optional may be left out. */

export interface Settings {
  readonly companyName: string
  readonly slogan?: string
  readonly about?: string
  readonly contact?: { readonly email?: string; readonly phone?: string }
  readonly address?: {
    readonly street?: string
    readonly postalCode?: string
    readonly city?: string
    readonly country?: string
  }
  readonly openingHours?: readonly {
    readonly id: string
    readonly days?: string
    readonly opens?: string
    readonly closes?: string
  }[]
  readonly socialLinks?: readonly {
    readonly id: string
    readonly network?: string
    readonly url?: string
  }[]
}

export interface Member {
  readonly name: string
  readonly role?: string
  readonly bio?: string
}

export interface Service {
  readonly title: string
  readonly summary?: string
  readonly features?: readonly { readonly id: string; readonly title?: string }[]
}

export interface Solution {
  readonly title: string
  readonly category?: string
  readonly summary?: string
}
