// A peer in a few lines of JavaScript: npm reverse-http, reversed HTTP/1.1.
// Environment: PORT, LABEL, PROOF. Prints "ready" when it listens for reversed requests.
'use strict'
const reverseHttp = require('reverse-http')

const options = {
  host: '127.0.0.1',
  port: Number(process.env.PORT),
  path: `/ptth/${process.env.LABEL}`,
  headers: { Authorization: `Bearer ${process.env.PROOF}`, Host: `localhost:${process.env.PORT}` }
}
const server = reverseHttp(options, (request, response) => {
  const parts = []
  request.on('data', part => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    response.setHeader('x-seen-host', request.headers.host)
    response.setHeader('x-seen-url', request.url)
    if (request.url === '/stream') {
      response.write('one,')
      response.write('two,')
      return response.end('three')
    }
    response.end(request.method === 'POST' ? body : `hello by ${request.method}`)
  })
})
server.once('connection', () => process.stdout.write('ready\n'))
server.on('error', error => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
