/** The parts of the demo schema that the site shows. Everything optional may be left out. */

export interface Settings {
  readonly companyName: string
  readonly slogan?: string
  readonly description?: string
  readonly foundedYear?: number
  readonly contact: {
    readonly email?: string
    readonly phone?: string
    readonly address?: Address
  }
  readonly openingHours?: readonly Hours[]
  readonly socialLinks?: readonly {
    readonly id: string
    readonly network: string
    readonly url: string
  }[]
  readonly features?: { readonly showPrices?: boolean; readonly showTeam?: boolean }
  readonly theme: { readonly mode?: 'light' | 'dark' | 'system'; readonly accent?: string }
}

export interface Address {
  readonly street?: string
  readonly postalCode?: string
  readonly city?: string
  readonly country?: string
}

export interface Hours {
  readonly id: string
  readonly day: string
  readonly closed?: boolean
  readonly opens?: string
  readonly closes?: string
}

export interface Member {
  readonly name: string
  readonly role?: string
  readonly bio?: string
  readonly skills?: readonly string[]
}

export interface Service {
  readonly title: string
  readonly summary?: string
  readonly description?: string
  readonly price?: Price
  readonly features?: readonly {
    readonly id: string
    readonly title: string
    readonly detail?: string
    readonly included?: boolean
  }[]
  readonly published?: boolean
  readonly rating?: number
}

export interface Price {
  readonly amount?: number
  readonly currency?: string
  readonly per?: string
}

export interface Solution {
  readonly title: string
  readonly category?: string
  readonly client?: string
  readonly challenge?: string
  readonly approach?: string
  readonly results?: readonly {
    readonly id: string
    readonly label: string
    readonly value: string
  }[]
  readonly testimonial?: {
    readonly quote?: string
    readonly author?: string
    readonly position?: string
  }
}
