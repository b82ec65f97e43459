package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Estonian practice (fact sheet §8.4).
var (
	instances     = []string{"EE", "ee-test", "ee-dev"}
	memberClasses = []string{"GOV", "COM", "NGO", "NEE"}
	registryCode  = regexp.MustCompile(`^[0-9]{8}$`)
)

// identifiers looks at X-Road identifiers beyond what the settings' own check refuses.
func (d *doctor) identifiers(_ context.Context, found *diagnosis) {
	s := d.settings
	if s.XRoad.Client == "" {
		found.warn("identifier xroad.client", "set xroad.client to our subsystem, instance/class/member/subsystem, as the security server's administrator registered it", "is not set")
	}
	if s.EMTA.Service == "" {
		found.warn("identifier emta.service", "set emta.service to EMTA's subsystem, as EMTA told it, to start payments", "is not set")
	}
	type named struct{ key, text string }
	list := []named{{"xroad.client", s.XRoad.Client}, {"emta.service", s.EMTA.Service}}
	for key, texts := range map[string][]string{"xroad.allowedClients": s.XRoad.AllowedClients, "emta.allowedClients": s.EMTA.AllowedClients,
		"paasuke.allowedClients": s.Paasuke.AllowedClients} {
		for _, text := range texts {
			list = append(list, named{key, text})
		}
	}
	slices.SortStableFunc(list[2:], func(a, b named) int { return strings.Compare(a.key, b.key) })
	own, _ := xroadhdr.ParseClientID(s.XRoad.Client) // the zero id where there is none
	for _, n := range list {
		if n.text == "" {
			continue
		}
		check := "identifier " + n.key
		id, err := clientID(n.key, n.text)
		switch {
		case err != nil:
			found.fail(check, "write it as instance/class/member/subsystem", "%v", err)
		case id.SubsystemCode == "":
			found.fail(check, "add the subsystem: instance/class/member/subsystem; services belong to subsystems", "%s names a member without a subsystem", n.text)
		case !slices.Contains(instances, id.Instance):
			found.warn(check, "check the instance: in Estonia EE, ee-test and ee-dev; capitals count", "%s is of instance %s", n.text, id.Instance)
		case !slices.Contains(memberClasses, id.MemberClass):
			found.warn(check, "check the member class: in Estonia GOV, COM, NGO and NEE; capitals count", "%s is of class %s", n.text, id.MemberClass)
		case !registryCode.MatchString(id.MemberCode):
			found.warn(check, "check the member code: in Estonia the registry code of 8 digits", "%s has the member code %s", n.text, id.MemberCode)
		case own.Instance != "" && id.Instance != own.Instance:
			found.warn(check, "check both: test and production do not reach each other", "%s is of another instance than xroad.client, %s", n.text, s.XRoad.Client)
		default:
			found.ok(check, "%s has the form of X-tee", n.text)
		}
	}
}
