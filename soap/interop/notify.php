<?php
// PHP's SoapClient in EMTA's place: notifies of an order that is not known, then of one that is.
//
//     php notify.php WSDL-URL ORDER-ID
//
// Prints one line of JSON. Ends with 1 if an answer is not what it should be.

declare(strict_types=1);

const XROAD = 'http://x-road.eu/xsd/xroad.xsd';

[, $wsdl, $order] = $argv;
$client = new SoapClient($wsdl, ['trace' => true, 'cache_wsdl' => WSDL_CACHE_NONE]);

// The WSDL's binding gives the fields their types. It has no issue: a string goes out as a string all the same.
function headers(string $id): array
{
    $fields = [
        'client' => [
            'objectType' => 'SUBSYSTEM', 'xRoadInstance' => 'ee-dev', 'memberClass' => 'GOV', 'memberCode' => '70000349',
            'subsystemCode' => 'mkrliides',
        ],
        'service' => [
            'objectType' => 'SERVICE', 'xRoadInstance' => 'ee-dev', 'memberClass' => 'GOV', 'memberCode' => '70000310',
            'subsystemCode' => 'at', 'serviceCode' => 'cpgOrderNotify', 'serviceVersion' => 'v1',
        ],
        'id' => $id,
        'userId' => 'EE60001019906',
        'protocolVersion' => '4.0',
        'issue' => 'ATPUB õ',
    ];

    return array_map(fn ($name) => new SoapHeader(XROAD, $name, $fields[$name]), array_keys($fields));
}

function call(SoapClient $client, string $order, string $id, array &$answered): mixed
{
    return $client->__soapCall('cpgOrderNotify', [['id' => $order]], null, headers($id), $answered);
}

$result = ['faultCode' => '', 'fault' => '', 'empty' => false, 'sameId' => false, 'issue' => ''];
$unknown = "$order <õ&>";
$id = bin2hex(random_bytes(16));
$answered = [];
try {
    call($client, $unknown, $id, $answered);
} catch (SoapFault $fault) {
    $result['faultCode'] = preg_replace('/^.*:/', '', $fault->faultcode);
    $result['fault'] = $fault->getMessage();
}
// SoapClient hands out no header of a fault: look into the message itself.
$result['sameId'] = str_contains($client->__getLastResponse(), ":id>$id</");

$id = bin2hex(random_bytes(16));
$answer = call($client, $order, $id, $answered);
$result['empty'] = (array) $answer === [];
$result['sameId'] = $result['sameId'] && $answered['id'] === $id;
$result['issue'] = $answered['issue'] ?? '';

echo json_encode($result, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE), "\n";
$right = $result['fault'] === "Order not found with id: $unknown" && $result['empty'] && $result['sameId'];
exit($right ? 0 : 1);
