package soap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// selfSigned is a client certificate as systems make them for their security server (§5.1).
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestSenderPresentsClientCertificate(t *testing.T) {
	ours, pool := selfSigned(t)
	foreign, _ := selfSigned(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		raw, _ := soap.ReplyFault(nil, soap.ServerFault("reached", nil))
		respond(w, 500, "text/xml", string(raw))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	tests := []struct {
		name    string
		config  *tls.Config
		failure soap.Failure
	}{
		{"ours", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}}, soap.FailedFault},
		{"ours, TLS 1.2", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}, MaxVersion: tls.VersionTLS12}, soap.FailedFault},
		{"unknown server", &tls.Config{Certificates: []tls.Certificate{ours}}, soap.FailedConnection},
		{"none, TLS 1.2", &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}, soap.FailedConnection},
		{"another, TLS 1.2", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{foreign}, MaxVersion: tls.VersionTLS12}, soap.FailedConnection},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, failed := call(t, t.Context(), server.URL, func(o *soap.SenderOptions) { o.TLS = test.config })
			require.Equal(t, test.failure, failed.Failure, failed.Error())
		})
	}
}

// In TLS 1.3 the refusal comes after the client has begun to send. Where its alert is read the failure is known to
// be the certificate's; where the connection's end is seen first the outcome counts as unknown.
func TestSenderRecognisesRefusedCertificate(t *testing.T) {
	_, pool := selfSigned(t)
	foreign, _ := selfSigned(t)
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "another": {foreign}} {
		t.Run(name, func(t *testing.T) {
			reached := false
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13}
			server.StartTLS()
			defer server.Close()
			config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			config.Certificates = certificates
			known := 0
			for range 20 {
				_, failed := call(t, t.Context(), server.URL, func(o *soap.SenderOptions) { o.TLS = config })
				require.Contains(t, []soap.Failure{soap.FailedConnection, soap.FailedBroken}, failed.Failure, failed.Error())
				if failed.Failure == soap.FailedConnection {
					known++
				}
			}
			require.NotZero(t, known)
			require.False(t, reached)
		})
	}
}
