<?php
// The payment module as PHP's SoapServer makes it from EMTA's own WSDL: cpgOrderInit, Get, List and Cancel.
//
//     ORDERS=/some/empty/folder php -S 127.0.0.1:8099 emta.php
//
// Orders are kept as files. Besides the services there are two addresses, for tests:
//
//     POST /orders/ORDER-ID?state=completed     what the payer did
//     POST /silence?seconds=3                   the next cpgOrderInit keeps its answer back for so long

declare(strict_types=1);

const WSDL = __DIR__ . '/../../wsdl';
const XROAD = 'http://x-road.eu/xsd/xroad.xsd';

/** Orders as the schema has them, a file each. */
final class Orders
{
    public function __construct(private string $folder)
    {
    }

    public function save(array $order): void
    {
        $file = $this->file($order['Id']);
        file_put_contents("$file.new", json_encode($order, JSON_THROW_ON_ERROR));
        rename("$file.new", $file);
    }

    public function find(string $id): array
    {
        if (!preg_match('/^[0-9a-f]+$/', $id) || !is_file($this->file($id))) {
            throw new SoapFault('NotFound', "Order not found with id: $id");
        }

        return json_decode(file_get_contents($this->file($id)), true, flags: JSON_THROW_ON_ERROR);
    }

    public function end(array $order, string $state): void
    {
        $finished = in_array($state, ['completed', 'cancelled'], true) ? date(DATE_ATOM) : '';
        $this->save(['State' => $state, 'Finished' => $finished] + $order);
    }

    public function all(): array
    {
        return array_map(fn ($file) => $this->find(basename($file, '.json')), glob("$this->folder/*.json"));
    }

    private function file(string $id): string
    {
        return "$this->folder/$id.json";
    }
}

/** A method for each service, and one for each field of the header: what that returns goes into the answer's header. */
final class Emta
{
    public function __construct(private Orders $orders, private string $silence)
    {
    }

    public function cpgOrderInit(stdClass $request): array
    {
        $order = json_decode(json_encode($request->Order), true);
        $order['Id'] = bin2hex(random_bytes(12));
        $order['State'] = 'created';
        $order['Created'] = date(DATE_ATOM);
        $order['Expires'] = date(DATE_ATOM, time() + 900);
        $order['Finished'] = '';
        $order['Amount'] = (float) $order['Amount'];
        $order['Links'] = ['Link' => [
            ['Href' => "https://maksed.example.ee/api/$order[Id]", 'Rel' => 'self'],
            ['Href' => "https://maksed.example.ee/order/$order[Id]", 'Rel' => 'web-portal', 'Method' => 'GET'],
        ]];
        unset($order['Callback']); // SoapServer refuses to write a Notify without the Url that the schema demands
        $this->orders->save($order);
        if (is_file($this->silence)) {
            $seconds = (int) file_get_contents($this->silence);
            unlink($this->silence);
            sleep($seconds);
        }

        return ['Order' => $order];
    }

    public function cpgOrderGet(stdClass $request): array
    {
        return ['Order' => $this->orders->find($request->Id)];
    }

    public function cpgOrderList(stdClass $request): array
    {
        $all = $this->orders->all();

        return [
            'Meta' => ['Total' => count($all)],
            'Orders' => ['Order' => array_slice($all, $request->count * $request->page, $request->count)],
        ];
    }

    public function cpgOrderCancel(stdClass $request): array
    {
        $order = $this->orders->find($request->Id);
        if ($order['State'] !== 'created') {
            throw new SoapFault('CancellingNotAllowed', "Order cannot be cancelled in state $order[State]");
        }
        $this->orders->end($order, 'cancelled');

        return [];
    }

    public function client(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'client', $value);
    }

    public function service(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'service', $value);
    }

    public function id(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'id', $value);
    }

    public function userId(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'userId', $value);
    }

    public function protocolVersion(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'protocolVersion', $value);
    }

    public function issue(mixed $value): SoapHeader
    {
        return new SoapHeader(XROAD, 'issue', $value);
    }
}

$folder = getenv('ORDERS') ?: throw new RuntimeException('ORDERS names no folder');
$orders = new Orders($folder);
$silence = "$folder/silence";

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/silence') {
    file_put_contents($silence, $_GET['seconds']);
    return;
}
if (str_starts_with($path, '/orders/')) {
    $orders->end($orders->find(basename($path)), $_GET['state']);
    return;
}

// The WSDL imports X-Road's schema from its public address; we have it beside the WSDL.
libxml_set_external_entity_loader(
    fn (?string $public, string $system) => str_replace('http://x-road.eu/xsd', WSDL, $system)
);
$server = new SoapServer(WSDL . '/mkrliides.wsdl', ['cache_wsdl' => WSDL_CACHE_NONE]);
$server->setObject(new Emta($orders, $silence));
$server->handle();
