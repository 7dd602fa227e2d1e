/**
 * Every way in which bytes can fail to be the HTTP/1.1 message that they claim to be. The status is what a client is
 * answered; the same fault in a response makes it a 502.
 */
export const protocolFaults = {
  'head-too-large': { status: 431, text: 'the message head is larger than maxHeadBytes' },
  'too-many-fields': { status: 431, text: 'the message has more fields than maxHeadFields' },
  'head-timed-out': { status: 408, text: 'the request head was not complete within headTimeoutMs' },
  'request-timed-out': { status: 408, text: 'no byte came or went within requestIdleTimeoutMs' },
  'body-too-large': { status: 413, text: 'the request body is larger than maxBodyBytes' },
  'empty-line-preamble': { status: 400, text: 'more than one empty line before the request line' },
  'request-line-malformed': { status: 400, text: 'the request line is not "method target HTTP/1.x"' },
  'status-line-malformed': { status: 400, text: 'the status line is not "HTTP/1.x status reason"' },
  'method-malformed': { status: 400, text: 'the method is not a token of at most 32 characters' },
  'method-unsupported': { status: 501, text: 'the method is CONNECT or none of the registered ones' },
  'target-malformed': { status: 400, text: 'the request target is not in origin, absolute or asterisk form' },
  'version-unsupported': { status: 505, text: 'the version is not HTTP/1.0 or HTTP/1.1' },
  'bare-line-feed': { status: 400, text: 'a line ends with LF without CR' },
  'bare-carriage-return': { status: 400, text: 'a CR is not followed by LF' },
  'line-folding': { status: 400, text: 'a line begins with white space (obs-fold)' },
  'field-name-malformed': { status: 400, text: 'a field name is empty or not a token' },
  'space-before-colon': { status: 400, text: 'there is white space between a field name and its colon' },
  'underscore-in-field-name': { status: 400, text: 'a field name contains "_" (underscoresInHeaders: refuse)' },
  'field-value-malformed': {
    status: 400,
    text: 'a field value contains a control character, or a tab stands beside that of a framing field',
  },
  'host-missing': { status: 400, text: 'the request has no Host' },
  'host-duplicate': { status: 400, text: 'the request has more than one Host' },
  'host-malformed': { status: 400, text: 'the Host is not a host name or address with an optional port' },
  'host-mismatch': { status: 400, text: 'the Host is not the authority of the request target' },
  'content-length-duplicate': { status: 400, text: 'the message has more than one Content-Length' },
  'content-length-malformed': { status: 400, text: 'the Content-Length is not a number that can be represented' },
  'transfer-encoding-unsupported': { status: 501, text: 'the Transfer-Encoding is not "chunked" alone' },
  'transfer-encoding-in-1.0': { status: 400, text: 'an HTTP/1.0 message has a Transfer-Encoding' },
  'informational-in-1.0': { status: 502, text: 'an HTTP/1.0 response is informational, which HTTP/1.0 does not know' },
  'length-and-encoding': { status: 400, text: 'the message has both Content-Length and Transfer-Encoding' },
  'connection-malformed': {
    status: 400,
    text: 'the Connection field is malformed or names a field that is not hop-by-hop',
  },
  'expectation-unknown': { status: 417, text: 'the Expect field is not "100-continue"' },
  'upgrade-with-body': { status: 400, text: 'a request to change the protocol has a body or is not a GET' },
  'websocket-accept-wrong': {
    status: 502,
    text: 'the response grants a WebSocket without the Sec-WebSocket-Accept that belongs to its key',
  },
  'chunk-malformed': { status: 400, text: 'a chunk is not "size [;extension] CRLF data CRLF"' },
  'chunk-extensions-too-large': { status: 400, text: 'chunk extensions take more than 4096 bytes' },
  'trailer-forbidden': { status: 400, text: 'a field that may not be a trailer is in the trailer section' },
  'response-unexpected': { status: 502, text: 'the upstream sent bytes that no request asked for' },
  'body-incomplete': { status: 400, text: 'the message ended before its body was complete' },
} as const

export type ProtocolFaultCode = keyof typeof protocolFaults
