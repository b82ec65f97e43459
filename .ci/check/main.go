// Command check reads what deploy/ holds as those read it who will run it: the Dockerfile with BuildKit's own parser and
// linter, the Compose file with Compose's own loader, and manifests with the types of the Kubernetes API, strictly: an unknown
// or ill-typed field is an error. It is a module of its own, so that none of this is in the program's.
//
//	check dockerfile FILE
//	check compose FILE
//	check manifests < RENDERED
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "dockerfile":
		return dockerfile(args[1])
	case len(args) == 2 && args[0] == "compose":
		return compose(args[1])
	case len(args) == 1 && args[0] == "manifests":
		return manifests(os.Stdin)
	}
	return errors.New("want: dockerfile FILE, compose FILE, or manifests")
}

// offline answers for every base image that it has no configuration: the linter needs none, and no registry is asked.
type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	_, err := reference.ParseNormalizedNamed(ref)
	return ref, "", []byte(`{}`), err
}

func dockerfile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		MetaResolver: offline{},
		SourceMap:    &llb.SourceMap{Definition: &llb.Definition{}, Filename: filepath.Base(path), Data: text},
	})
	if err != nil {
		return err
	}
	if results.Error != nil || len(results.Warnings) > 0 {
		results.PrintTo(os.Stderr, nil)
		return fmt.Errorf("%s: %d warnings", path, len(results.Warnings))
	}
	fmt.Println(path, "is well-formed, and the linter has nothing to say")
	return nil
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithResolvedPaths(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	for _, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				if _, err := os.Stat(v.Source); err != nil {
					return fmt.Errorf("service %s: %w", s.Name, err)
				}
			}
		}
	}
	fmt.Printf("%s: %d services\n", path, len(project.Services))
	return nil
}

func manifests(r io.Reader) error {
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), monitoring.AddToScheme(known)); err != nil {
		return err
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(r))
	count := 0
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		_, kind, err := decoder.Decode(text, nil, nil)
		if err != nil {
			return fmt.Errorf("%w, in:\n%s", err, text)
		}
		fmt.Println("  ", kind)
		count++
	}
	if count == 0 {
		return errors.New("no manifest was given")
	}
	return nil
}
