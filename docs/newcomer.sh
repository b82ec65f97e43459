#!/usr/bin/env bash
# The chapter "Install" of operations.md, run: from a checkout, with Go, PostgreSQL, Prometheus, curl and openssl on the machine, to a
# payment over TLS, counted by Prometheus. Below "the chapter" stand its commands, word for word; what differs is only
#
#   addresses and the folder: the chapter's are defaults, ours are free ports and a temporary folder;
#   | shows TEXT: fails unless the command succeeds and prints what matches TEXT.
#
# PostgreSQL's server is one of our own. All that is started is stopped at the end, at the latest after five minutes.
#
#   docs/newcomer.sh
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${NEWCOMER_BOUNDED:-}" ] || NEWCOMER_BOUNDED=1 exec timeout --kill-after=20 300 docs/newcomer.sh

# What the chapter says is what runs here.
said() { awk '/^## /{in_chapter = $0 == "## Install"} in_chapter && sub(/^    /, "")' docs/operations.md; }
run() {
  sed '1,/^# The chapter begins/d; /^# The chapter ends/,$d' docs/newcomer.sh |
    sed -E "/^(step .*|begun)?\$/d; s/ \| shows '[^']*'\$//; s/ --(security-server|control|payer|core|paasuke) [\$][a-z]+//g" |
    sed 's|\$folder|/srv/at|g; s|\$xroad|127.0.0.1:8080|g; s|\$core|127.0.0.1:8081|g; s|\$ops|127.0.0.1:9090|g
         s|\$security|127.0.0.1:8090|g; s|\$prometheus|127.0.0.1:9099|g; s|\$postgres|127.0.0.1:5432|g'
}
diff <(said) <(run) || { echo 'docs/operations.md (<) and docs/newcomer.sh (>) do not say the same' >&2; exit 1; }

started=$SECONDS name='' folder=$(mktemp -d) cluster=$(mktemp -d) processes=()
chmod 755 "$cluster" # its user is another one than ours, if we are root
step() {
  [ -z "$name" ] || printf -- '-- done after %d s\n' $((SECONDS - started))
  name=$* started=$SECONDS
  printf '\n-- %s\n' "$name"
}
# The process that was started last.
begun() { processes+=($!); }
shows() {
  local text
  text=$(cat)
  printf '%s\n' "$text" | cut -c 1-300 | sed -n 1,30p
  grep -q -e "$1" <<<"$text" || { printf '"%s" is not there\n' "$1" >&2; return 1; }
}

end() {
  local status=$?
  trap - EXIT INT TERM
  if [ $status -ne 0 ]; then
    printf -- '-- FAILED: %s\n' "$name" >&2
    tail -n 20 "$folder"/*.log "$cluster"/log >&2 || true
  fi
  local i
  for ((i = ${#processes[@]} - 1; i >= 0; i--)); do kill "${processes[i]}" 2>/dev/null || true; done
  for ((i = ${#processes[@]} - 1; i >= 0; i--)); do wait "${processes[i]}" || true; done
  rm -rf "$folder" "$cluster"
  exit $status
}
trap end EXIT
trap 'exit 1' INT TERM

# A port of loopback that nothing listens on, below those that the kernel gives to clients.
taken=' '
free() {
  local port
  while
    port=$((20000 + RANDOM % 12000))
    [[ $taken == *" $port "* ]] || (: <>/dev/tcp/127.0.0.1/$port) 2>/dev/null
  do :; done
  taken+="$port "
  printf -v "$1" '127.0.0.1:%d' "$port"
}
for address in postgres xroad core ops security control payer webhook paasuke prometheus; do free $address; done

step 'a PostgreSQL server of our own'
programs=$(dirname "$(readlink -f "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)")")
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid postgres --regid postgres --clear-groups) # PostgreSQL refuses to be run by root
  chown postgres "$cluster"
fi
(cd "$cluster" && "${as[@]}" "$programs/initdb" -D data --username=admin --auth-local=trust --auth-host=scram-sha-256 --no-sync >initdb.log)
(cd "$cluster" && exec "${as[@]}" "$programs/postgres" -D data -k "$cluster" -c listen_addresses=127.0.0.1 -p "${postgres#*:}") >"$cluster/log" 2>&1 &
begun
export PATH=$PATH:$programs PGHOST=$cluster PGPORT=${postgres#*:} PGUSER=admin # who may administer it, for createdb and psql
until pg_isready -q -d postgres; do sleep 0.2; done

# The chapter begins.
step 'build'
umask 077
mkdir -p $folder
go build -o $folder/adapter ./adapter
cp deploy/prometheus/alerts.yaml $folder
cd $folder

step 'the database and its two roles'
ADMIN=$(openssl rand -hex 16) APP=$(openssl rand -hex 16)
createdb at
psql --quiet --set=ON_ERROR_STOP=1 at <<SQL
CREATE ROLE adapter_admin LOGIN PASSWORD '$ADMIN';
CREATE ROLE adapter_app LOGIN PASSWORD '$APP';
CREATE SCHEMA IF NOT EXISTS atis AUTHORIZATION adapter_admin;
GRANT USAGE ON SCHEMA atis TO adapter_app;
ALTER DEFAULT PRIVILEGES FOR ROLE adapter_admin IN SCHEMA atis GRANT SELECT, INSERT, UPDATE ON TABLES TO adapter_app;
ALTER DEFAULT PRIVILEGES FOR ROLE adapter_admin IN SCHEMA atis GRANT USAGE ON SEQUENCES TO adapter_app;
SQL
echo "postgres://adapter_admin:$ADMIN@$postgres/at" >store.admin
echo "postgres://adapter_app:$APP@$postgres/at" >store.app
export ADAPTER_STORE_FILE=$folder/store.app
ADAPTER_STORE_FILE=$folder/store.admin ./adapter migrate up | shows 'applied'
./adapter migrate status | shows 'applied'

step 'certificates and settings'
./adapter testca tls | shows 'security-server.pem'
cat >adapter.yaml <<YAML
listen:
  xroad: $xroad
  core: $core
  ops: $ops
  tls:
    xroad: {cert: tls/adapter.pem, key: tls/adapter.key, pinned: tls/security-server.pem}
    core: {cert: tls/adapter.pem, key: tls/adapter.key}
xroad:
  securityServer: https://$security
  client: ee-dev/GOV/70000310/at
  allowedClients: [ee-dev/GOV/70000349/mkrliides, ee-dev/GOV/70006317/paasuke]
  tls: {cert: tls/adapter.pem, key: tls/adapter.key, pinned: tls/security-server.pem}
emta: {service: ee-dev/GOV/70000349/mkrliides, issue: ATPUB}
paasuke: {allowedClients: [ee-dev/GOV/70006317/paasuke]}
core: {tokenFile: ""}
YAML
./adapter token add core --config adapter.yaml --scope orders --scope events --expires 2160h >core.token
./adapter token list --config adapter.yaml | shows 'core'

step 'the simulated security server'
./adapter simulate --tls tls --token-file core.token --adapter https://$xroad --api https://$core --security-server $security --control $control --payer $payer --core $webhook --paasuke $paasuke >simulate.log 2>&1 &
begun
until grep -q 'Settings for the adapter' simulate.log; do sleep 1; done
./adapter config check --config adapter.yaml

step 'serve'
./adapter serve --config adapter.yaml >serve.log 2>&1 &
begun
until curl --silent --fail http://$ops/readyz; do sleep 1; done
./adapter call cpgOrderList --config adapter.yaml --page 0 --count 1 | shows 'cpgOrderListResponse'

step 'a payment'
cat >core.curl <<CURL
silent
show-error
fail-with-body
cacert = tls/ca.pem
header = "Authorization: Bearer $(cat core.token)"
CURL
curl --config core.curl https://$core/api/v1/orders --json '{"announcementId": 1204, "amount": "30.00", "currency": "EUR", "referenceNumber": "12344", "language": "et", "redirectUrl": "https://ametlikudteadaanded.ee/makse"}' | tee order.json | shows '"state":"created"'
ID=$(sed 's/.*"id":\([0-9]*\).*/\1/' order.json) PAYMENT=$(sed 's/.*"paymentUrl":"\([^"]*\)".*/\1/' order.json)
curl --silent --fail --request POST $PAYMENT/choose
curl --silent --fail --request POST $PAYMENT/pay
until curl --config core.curl https://$core/api/v1/orders/$ID | grep '"state":"completed"'; do sleep 1; done
curl --config core.curl https://$core/api/v1/events | shows '"order.completed"'
curl --config core.curl --request POST https://$core/api/v1/orders/$ID/claim | shows '"claimForwarded":true'

step 'status and measures'
curl --silent --fail http://$ops/status | shows '^  "status": "pass"'
cat >prometheus.yaml <<YAML
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: adapter
    static_configs: [{targets: ["$ops"]}]
YAML
prometheus --config.file=prometheus.yaml --storage.tsdb.path=prometheus --web.listen-address=$prometheus >prometheus.log 2>&1 &
begun
until curl --silent http://$prometheus/api/v1/targets | grep '"health":"up"'; do sleep 1; done
curl --silent --fail http://$prometheus/api/v1/rules | shows '"AdapterNotReady"'
curl --silent --fail http://$prometheus/api/v1/query --data 'query=adapter_ready' | shows '"1"'

step 'the log of it all'
./adapter log verify --config adapter.yaml | shows 'emta'
# The chapter ends.

step 'what must not be'
curl --silent --fail --cacert tls/ca.pem --cert tls/security-server.pem --key tls/security-server.key "https://$xroad/emta?wsdl" | shows 'cpgOrderNotify'
curl --silent --fail --cacert tls/ca.pem --cert tls/core.pem --key tls/core.key "https://$xroad/emta?wsdl" && { echo 'who is not the security server was let in' >&2; exit 1; }
curl --silent --max-time 5 --cacert tls/ca.pem "https://$core/api/v1/events" | shows 'unauthorized'
curl --silent --fail "http://$ops/metrics" | grep '^adapter_exchanges_total{.*direction="in".*outcome="ok"' | shows 'emta'
curl --silent --fail "http://$prometheus/api/v1/rules" | grep -o '"type":"alerting"' | wc -l | shows "$(grep -c -e '- alert:' alerts.yaml)"
step 'all right'
