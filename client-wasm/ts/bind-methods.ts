/** Methods that work without their object, as in `const { subscribe } = entity`. */

/**
 * Binds all methods of an object to it, those of a class derived from its own included. Call it in
 * the constructor.
 *
 * Not done with properties that are arrow functions: a class derived from this one could not override
 * them, and TypeScript would no longer let an `Entity<Member>` be passed as an `Entity`.
 */
export function bindMethods(object: object): void {
  let prototype = Object.getPrototypeOf(object) as object
  for (; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value
      // What a derived class overrides has been bound already.
      if (typeof method !== 'function' || name === 'constructor' || Object.hasOwn(object, name)) {
        continue
      }
      const value: unknown = method.bind(object)
      Object.defineProperty(object, name, { value, configurable: true, writable: true })
    }
  }
}
