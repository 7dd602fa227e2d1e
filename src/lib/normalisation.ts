/**
 * How an inbound listener brings the paths of requests to the form that is decided on and forwarded. `strict` refuses what
 * two servers could read differently. The others are those of Istio's `pathNormalization`, each of which takes more.
 */
export const normalisations = ['strict', 'none', 'base', 'merge-slashes', 'decode-and-merge-slashes'] as const
export type Normalisation = (typeof normalisations)[number]
