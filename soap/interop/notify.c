/* gSOAP in EMTA's place: notifies of an order that is not known, then of one that is.
 *
 *     wsdl2h -c -o notify.h WSDL-URL && soapcpp2 -c -C -L -x notify.h
 *     gcc -I. -o notify notify.c soapC.c soapClient.c -lgsoap
 *     ./notify WSDL-URL ORDER-ID
 *
 * The WSDL was read when the code was made; its URL says where to send: the part before the question mark.
 * Prints one line of JSON. Ends with 1 if an answer is not what it should be.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "soapH.h"
#include "orderNotificationSoap11.nsmap"

/* call notifies of an order and says whether the answer has the id of the request; the generated header has no place for issue. */
static bool call(struct soap *soap, const char *endpoint, char *order, char *id)
{
    struct ns3__XRoadClientIdentifierType client = {
        .objectType = ns3__XRoadObjectType__SUBSYSTEM, .xRoadInstance = "ee-dev", .memberClass = "GOV",
        .memberCode = "70000349", .subsystemCode = "mkrliides",
    };
    struct ns3__XRoadServiceIdentifierType service = {
        .objectType = ns3__XRoadObjectType__SERVICE, .xRoadInstance = "ee-dev", .memberClass = "GOV",
        .memberCode = "70000310", .subsystemCode = "at", .serviceCode = "cpgOrderNotify", .serviceVersion = "v1",
    };
    struct SOAP_ENV__Header header = {
        .ns2__client = &client, .ns2__service = &service, .ns2__id = id, .ns2__userId = "EE60001019906",
        .ns2__protocolVersion = "4.0",
    };
    struct _ns1__cpgOrderNotifyRequest request = {.id = order};
    struct _ns1__cpgOrderNotifyResponse response;

    soap->header = &header;
    soap_call___ns1__cpgOrderNotify(soap, endpoint, NULL, &request, &response);
    return soap->header != NULL && soap->header != &header && soap->header->ns2__id != NULL &&
           strcmp(soap->header->ns2__id, id) == 0;
}

static void print_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    char endpoint[1024], unknown[256], expected[512], id[64];
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)strcspn(argv[1], "?"), argv[1]);
    snprintf(unknown, sizeof unknown, "%s <õ&>", argv[2]);
    snprintf(expected, sizeof expected, "Order not found with id: %s", unknown);

    struct soap *soap = soap_new1(SOAP_C_UTFSTRING);

    snprintf(id, sizeof id, "gsoap-%d-unknown", (int)getpid());
    bool same = call(soap, endpoint, unknown, id);
    const char **code = soap_faultcode(soap), **fault = soap_faultstring(soap);
    const char *local = code && *code ? strrchr(*code, ':') : NULL;
    const char *text = soap->error && fault && *fault ? *fault : "";
    bool right = strcmp(text, expected) == 0;
    printf("{\"faultCode\":");
    print_string(local ? local + 1 : "");
    printf(",\"fault\":");
    print_string(text);

    snprintf(id, sizeof id, "gsoap-%d-known", (int)getpid());
    same = call(soap, endpoint, argv[2], id) && same;
    bool empty = soap->error == SOAP_OK;
    if (!empty)
        soap_print_fault(soap, stderr);
    printf(",\"empty\":%s,\"sameId\":%s,\"issue\":\"\"}\n", empty ? "true" : "false", same ? "true" : "false");

    soap_end(soap);
    soap_free(soap);
    return right && empty && same ? 0 : 1;
}
