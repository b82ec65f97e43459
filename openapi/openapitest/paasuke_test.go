package openapitest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
)

// The description of the mandates services is valid in both forms, and has the operations of the public one.
func TestPaasukeDescriptions(t *testing.T) {
	ours := openapitest.NewAt(t, "/paasuke", openapi.Paasuke()).Unseen()
	require.Equal(t, ours, openapitest.NewAt(t, "/paasuke", openapi.PaasukeJSON()).Unseen())
	require.Len(t, ours, 6)
	public := openapitest.PublicPaasuke(t, "/paasuke/v1").Unseen()
	for i, operation := range public {
		method, path, _ := strings.Cut(operation, " ")
		public[i] = method + " /v1" + path
	}
	require.Equal(t, ours, public)
}
