package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"

	"go.yaml.in/yaml/v3"
)

// configCommand looks at the settings without running anything.
type configCommand struct {
	Config string      `type:"path" placeholder:"FILE" help:"Settings file."`
	Check  configCheck `cmd:"" help:"Say whether the settings are right; exit status 0 if they are."`
	Show   configShow  `cmd:"" help:"Print the settings in force, the file's and the environment's over the defaults. Secrets are hidden."`
}

type configCheck struct{}

// Run is for kong.
func (*configCheck) Run(_ context.Context, c *commands) error {
	s, err := loadSettings(c.Configuration.Config, os.Environ())
	if err != nil {
		return err
	}
	if _, err := s.XRoad.TLS.config(); err != nil {
		return err
	}
	fmt.Println("the settings are right")
	if s.EMTA.Service == "" {
		fmt.Println("note: emta.service is not set, so payments cannot be started")
	}
	return nil
}

type configShow struct{}

// Run is for kong.
func (*configShow) Run(_ context.Context, c *commands) error {
	s, err := loadSettings(c.Configuration.Config, os.Environ())
	if err != nil {
		return err
	}
	return showSettings(os.Stdout, s)
}

// hidden stands for a secret that is set.
const hidden = "(hidden)"

// showSettings writes the settings as a settings file, secrets and all that could be one hidden.
func showSettings(w io.Writer, s Settings) error {
	if s.Core.Webhook.Secret != "" {
		s.Core.Webhook.Secret = hidden
	}
	tokens := make([]Token, len(s.Core.Tokens))
	for i, t := range s.Core.Tokens {
		t.SHA256 = hidden
		tokens[i] = t
	}
	s.Core.Tokens = tokens
	s.Store = withoutPassword(s.Store)
	s.XRoad.SecurityServer = withoutPassword(s.XRoad.SecurityServer)
	s.Core.Webhook.URL = withoutPassword(s.Core.Webhook.URL)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(s); err != nil {
		return err
	}
	return encoder.Close()
}

// withoutPassword hides the user's part of a URL; what cannot be read as one is hidden whole.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return hidden
	}
	if u.User != nil {
		u.User = url.User(hidden)
	}
	return u.String()
}
