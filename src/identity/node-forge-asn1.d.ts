/** The part of node-forge that is used, and nothing else of it: @types/node-forge has no entry for this file. */
declare module 'node-forge/lib/asn1.js' {
  export interface Asn1 {
    readonly tagClass: number
    readonly type: number
    readonly constructed: boolean
    /** One character per byte, or the elements inside. */
    readonly value: string | readonly Asn1[]
  }
  const asn1: {
    create(tagClass: number, type: number, constructed: boolean, value: string): Asn1
    fromDer(
      bytes: string,
      options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean; maxDepth: number },
    ): Asn1
    toDer(element: Asn1): { getBytes(): string }
    derToOid(content: string): string
  }
  export default asn1
}
