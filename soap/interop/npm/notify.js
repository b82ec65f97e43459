// npm's soap in EMTA's place: notifies of an order that is not known, then of one that is.
//
//     npm ci --ignore-scripts && node notify.js WSDL-URL ORDER-ID
//
// Prints one line of JSON. Ends with 1 if an answer is not what it should be.

import { randomUUID } from 'node:crypto'
import soap from 'soap'

const namespaces = { 'xmlns:xrd': 'http://x-road.eu/xsd/xroad.xsd', 'xmlns:id': 'http://x-road.eu/xsd/identifiers' }

const [wsdl, order] = process.argv.slice(2)
const client = await soap.createClientAsync(wsdl)

// The package does not write the header fields by the WSDL: prefixes and namespaces are the caller's.
function headers (id) {
  return {
    'xrd:client': {
      attributes: { 'id:objectType': 'SUBSYSTEM', ...namespaces },
      'id:xRoadInstance': 'ee-dev',
      'id:memberClass': 'GOV',
      'id:memberCode': '70000349',
      'id:subsystemCode': 'mkrliides'
    },
    'xrd:service': {
      attributes: { 'id:objectType': 'SERVICE', ...namespaces },
      'id:xRoadInstance': 'ee-dev',
      'id:memberClass': 'GOV',
      'id:memberCode': '70000310',
      'id:subsystemCode': 'at',
      'id:serviceCode': 'cpgOrderNotify',
      'id:serviceVersion': 'v1'
    },
    'xrd:id': { attributes: namespaces, $value: id },
    'xrd:userId': { attributes: namespaces, $value: 'EE60001019906' },
    'xrd:protocolVersion': { attributes: namespaces, $value: '4.0' },
    'xrd:issue': { attributes: namespaces, $value: 'ATPUB õ' }
  }
}

async function notify (order, id) {
  client.clearSoapHeaders()
  client.addSoapHeader(headers(id))
  try {
    const [body, , header] = await client.cpgOrderNotifyAsync({ id: order })
    return { body, header }
  } catch (error) {
    if (!error.root) throw error // no SOAP answer
    return { fault: error.root.Envelope.Body.Fault, header: error.root.Envelope.Header }
  }
}

const unknown = `${order} <õ&>`
const ids = [randomUUID(), randomUUID()]
const refused = await notify(unknown, ids[0])
const accepted = await notify(order, ids[1])

const result = {
  faultCode: refused.fault?.faultcode.split(':').pop() ?? '',
  fault: refused.fault?.faultstring ?? '',
  empty: !accepted.fault && accepted.body === null,
  sameId: refused.header?.id === ids[0] && accepted.header?.id === ids[1],
  issue: accepted.header?.issue ?? ''
}
console.log(JSON.stringify(result))
process.exitCode = result.fault === `Order not found with id: ${unknown}` && result.empty && result.sameId ? 0 : 1
