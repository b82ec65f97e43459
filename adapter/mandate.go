package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// mandateSettings are the settings of package mandate.
func (s Settings) mandateSettings() (mandate.Settings, error) {
	m := mandate.Settings{Namespace: s.Paasuke.Namespace, AuthorizedRoles: s.Paasuke.AuthorizedRoles, AllowFormerManager: !s.Paasuke.ExManager,
		EmitNamespace: s.Paasuke.EmitNamespace, Origin: s.Paasuke.Origin}
	for _, r := range s.Paasuke.Roles {
		d := mandate.RoleDefinition{Code: mandate.Role(r.Code), Managing: r.Managing, SubDelegable: mandate.SubDelegable(r.SubDelegable),
			Title: mandate.Text(r.Title), Description: mandate.Text(r.Description)}
		if d.SubDelegable == "" {
			d.SubDelegable = mandate.SubDelegableNo
		}
		m.Roles = append(m.Roles, d)
	}
	for key, text := range map[string]string{"paasuke.origin": s.Paasuke.Origin, "paasuke.problems": s.Paasuke.Problems} {
		if u, err := url.Parse(text); text != "" && (err != nil || !u.IsAbs()) {
			return m, &settingError{key, "must be an absolute address"}
		}
	}
	m, err := m.WithDefaults()
	if err != nil {
		return m, fmt.Errorf("settings of paasuke: %w", err)
	}
	return m, nil
}

// mandatesCommand is about the mandates.
type mandatesCommand struct {
	Roles mandateRolesCommand `cmd:"" help:"Print AT's roles as JSON, to hand in to RIA."`
}

// mandateRolesCommand prints the roles' definitions.
type mandateRolesCommand struct {
	Config string `type:"path" placeholder:"FILE" help:"Settings file."`
}

// Run is for kong.
func (c *mandateRolesCommand) Run() error {
	s, err := loadSettings(c.Config, os.Environ())
	if err != nil {
		return err
	}
	m, err := s.mandateSettings()
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(m.RoleDefinitions())
}
