import { type ProtocolFaultCode, protocolFaults } from '../protocol-fault.ts'
import { type ErrorName, errorCodes } from './frame.ts'

/**
 * Every way in which bytes can fail to be HTTP/2 (RFC 9113), with the error code that the peer gets in RST_STREAM or
 * GOAWAY. What ends a stream and what the whole connection is said where it is found; a bad message ends its stream only.
 */
export const h2Faults = {
  'h2-preface': { error: 'PROTOCOL_ERROR', text: 'the connection does not begin with the preface and SETTINGS' },
  'h2-frame-size': {
    error: 'FRAME_SIZE_ERROR',
    text: 'a frame is larger than allowed, or has not the size of its type',
  },
  'h2-frame-unexpected': { error: 'PROTOCOL_ERROR', text: 'a frame stands where the protocol allows none of its type' },
  'h2-padding': { error: 'PROTOCOL_ERROR', text: 'a frame has more padding than payload' },
  'h2-setting': { error: 'PROTOCOL_ERROR', text: 'a setting has a value that is not allowed' },
  'h2-window-overflow': { error: 'FLOW_CONTROL_ERROR', text: 'a flow-control window grows beyond 2^31-1' },
  'h2-window-exceeded': { error: 'FLOW_CONTROL_ERROR', text: 'the peer sends more than its window allows' },
  'h2-window-increment': { error: 'PROTOCOL_ERROR', text: 'a WINDOW_UPDATE adds nothing' },
  'h2-stream-idle': { error: 'PROTOCOL_ERROR', text: 'a frame names a stream that was never opened' },
  'h2-stream-closed': { error: 'STREAM_CLOSED', text: 'a frame names a stream that the peer has ended' },
  'h2-stream-id': {
    error: 'PROTOCOL_ERROR',
    text: 'a stream is opened with a number that does not rise or is not the one of the peer',
  },
  'h2-self-dependency': { error: 'PROTOCOL_ERROR', text: 'a stream depends on itself' },
  'h2-compression': { error: 'COMPRESSION_ERROR', text: 'a field block is not HPACK' },
  'h2-field-block-too-large': { error: 'ENHANCE_YOUR_CALM', text: 'a field block is larger than maxHeadBytes' },
  'h2-too-many-streams': { error: 'REFUSED_STREAM', text: 'more streams are open than maxConcurrentStreams' },
  'h2-pseudo-fields': { error: 'PROTOCOL_ERROR', text: 'the pseudo-header fields are not those of the message' },
  'h2-field-name': { error: 'PROTOCOL_ERROR', text: 'a field name is not a token in lower case' },
  'h2-field-value': {
    error: 'PROTOCOL_ERROR',
    text: 'a field value holds a control character or surrounding white space',
  },
  'h2-connection-field': { error: 'PROTOCOL_ERROR', text: 'a field of one connection is in the message' },
  'h2-content-length': { error: 'PROTOCOL_ERROR', text: 'the content-length is malformed or not that of the body' },
  'h2-trailers': {
    error: 'PROTOCOL_ERROR',
    text: 'trailers do not end the stream, or hold a field that may not be there',
  },
  'h2-reset-flood': { error: 'ENHANCE_YOUR_CALM', text: 'the peer resets most of the streams that it opens' },
  'h2-control-flood': {
    error: 'ENHANCE_YOUR_CALM',
    text: 'the peer sends more frames that carry nothing than a second allows',
  },
  'h2-answers-unread': {
    error: 'ENHANCE_YOUR_CALM',
    text: 'the peer goes on asking and does not read the answers',
  },
  'h2-continuation-flood': { error: 'ENHANCE_YOUR_CALM', text: 'a field block is cut into too many frames' },
  'h2-timed-out': {
    error: 'ENHANCE_YOUR_CALM',
    text: 'a preface, frame or field block was not complete within headTimeoutMs',
  },
} as const

export type H2FaultCode = keyof typeof h2Faults

/** The number of a fault's error on the wire. */
export function errorOf(code: H2FaultCode): number {
  const name: ErrorName = h2Faults[code].error
  return errorCodes[name]
}

/** What can be wrong with a message that came over HTTP/2: with its frames and fields, or with what it says. */
export type MessageFaultCode = H2FaultCode | ProtocolFaultCode

export function isH2Fault(code: MessageFaultCode): code is H2FaultCode {
  return code in h2Faults
}

/** The fault in words, for a log. */
export function faultText(code: MessageFaultCode): string {
  return isH2Fault(code) ? h2Faults[code].text : protocolFaults[code].text
}
