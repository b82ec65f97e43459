"""zeep in EMTA's place: notifies of an order that is not known, then of one that is.

    python3 notify.py WSDL-URL ORDER-ID

Prints one line of JSON. Ends with 1 if an answer is not what it should be.
"""

import json
import sys
import uuid

import zeep
from lxml import etree
from zeep.plugins import HistoryPlugin

XROAD = "http://x-road.eu/xsd/xroad.xsd"

wsdl, order = sys.argv[1:]
history = HistoryPlugin()
client = zeep.Client(wsdl, plugins=[history])


def headers(id):
    """The fields as elements, by the served schema: zeep's dictionary of fields has no place for issue, which the WSDL
    does not bind."""
    fields = {
        "client": dict(objectType="SUBSYSTEM", xRoadInstance="ee-dev", memberClass="GOV", memberCode="70000349",
                       subsystemCode="mkrliides"),
        "service": dict(objectType="SERVICE", xRoadInstance="ee-dev", memberClass="GOV", memberCode="70000310",
                        subsystemCode="at", serviceCode="cpgOrderNotify", serviceVersion="v1"),
        "id": id,
        "userId": "EE60001019906",
        "protocolVersion": "4.0",
        "issue": "ATPUB õ",
    }
    parent = etree.Element("fields")
    for name, value in fields.items():
        client.get_element(f"{{{XROAD}}}{name}").render(parent, value)
    return list(parent)


def received(name):
    """A field of the last answer as it was on the wire: zeep hands out no header of a fault, and issue only unread."""
    return history.last_received["envelope"].findtext(f".//{{{XROAD}}}{name}")


result = dict(faultCode="", fault="", empty=False, sameId=False, issue="")

unknown, id = order + " <õ&>", str(uuid.uuid4())
try:
    client.service.cpgOrderNotify(id=unknown, _soapheaders=headers(id))
except zeep.exceptions.Fault as fault:
    result["faultCode"] = fault.code.split(":")[-1]
    result["fault"] = fault.message
result["sameId"] = received("id") == id

id = str(uuid.uuid4())
answer = client.service.cpgOrderNotify(id=order, _soapheaders=headers(id))
result["empty"] = answer.body is None
result["sameId"] = result["sameId"] and answer.header.id == id
result["issue"] = received("issue")

print(json.dumps(result, ensure_ascii=False))
right = result["fault"] == "Order not found with id: " + unknown and result["empty"] and result["sameId"]
sys.exit(0 if right else 1)
