package mandate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// servePath is what stands before the paths of the public definition, at our listener (design §8). Links do not have it: they are
// below the service's address.
const servePath = "/paasuke"

// Operations are Pääsuke's six, for a provider of package rest. Each is there with and without the namespace that links had before
// 0.9.1: under another namespace than ours there is nothing. roles is when the roles last changed.
func (m *Module) Operations(roles time.Time) []rest.Operation {
	s := server{module: m, roles: roles.UTC().Truncate(time.Second)}
	const place = "/representees/{representeeId}/delegates/{delegateId}/mandates/{mandateId}"
	var all []rest.Operation
	for _, op := range []rest.Operation{
		{Name: "getMandatesByRepresentee", Method: http.MethodGet, Path: "/representees/{representee}/delegates/mandates", Serve: s.byRepresentee},
		{Name: "getMandatesByDelegate", Method: http.MethodGet, Path: "/delegates/{delegate}/representees/mandates", Serve: s.byDelegate},
		{Name: "addMandate", Method: http.MethodPost, Path: "/representees/{representee}/delegates/{delegate}/mandates", Listed: true, Serve: s.add},
		{Name: "editMandate", Method: http.MethodPut, Path: place, Listed: true, Serve: s.end},
		{Name: "addSubDelegate", Method: http.MethodPost, Path: place + "/subdelegates", Listed: true, Serve: s.passOn},
		{Name: "getRoles", Method: http.MethodGet, Path: "/roles", Serve: s.listRoles},
	} {
		path := op.Path
		op.Path = servePath + "/v1" + path
		all = append(all, op)
		op.Path = servePath + "/v1/nss/{ns}" + path
		all = append(all, op)
	}
	return all
}

type server struct {
	module *Module
	roles  time.Time
}

// actorOf is who asks. What is no identifier names nobody that we know, and is taken as it is. A class before the represented party's
// code is cut off.
func actorOf(h xroadhdr.Header) Actor {
	a := Actor{Client: h.Client.String(), RequestID: h.ID}
	if h.UserID != nil {
		a.User = Identifier(*h.UserID)
	}
	if h.RepresentedParty != nil {
		a.RepresentedParty = Identifier(h.RepresentedParty.PartyCode)
	}
	return a
}

func (s server) byRepresentee(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	q, representee, err := query(r, "representee", "delegate")
	if err != nil {
		return rest.Answer{}, err
	}
	list, err := s.module.ByRepresentee(r.Context(), actorOf(h), representee, q)
	if err != nil {
		return rest.Answer{}, problemOf(err, listPaths)
	}
	return rest.Answer{Body: s.module.settings.wireTriplets(list, func(Mandate) bool { return false })}, nil
}

func (s server) byDelegate(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	q, delegate, err := query(r, "delegate")
	if err != nil {
		return rest.Answer{}, err
	}
	list, err := s.module.ByDelegate(r.Context(), actorOf(h), delegate, q)
	if err != nil {
		return rest.Answer{}, problemOf(err, listPaths)
	}
	return rest.Answer{Body: s.module.settings.wireTriplets(list, s.module.MayPassOn)}, nil
}

// query reads the person of the path and the filters; one of the latter names the other person where the operation has it.
func query(r *http.Request, person string, other ...string) (Query, Identifier, error) {
	single := append(slices.Clone(other), "subDelegatedBy")
	values, err := rest.QueryOpen(r, single...)
	if err != nil {
		return Query{}, "", err
	}
	var d reader
	named := d.identifier(person, r.PathValue(person))
	for _, name := range single {
		if values.Has(name) {
			d.identifier(name, values.Get(name))
		}
	}
	q := Query{SubDelegatedBy: Identifier(values.Get("subDelegatedBy")), Namespaces: namespaces(values["ns"], r.PathValue("ns"))}
	if len(other) > 0 {
		q.Delegate = Identifier(values.Get(other[0]))
	}
	return q, named, d.err()
}

// namespaces are those of ns, given several times or joined by commas, and of the path: nil for all, and none if the two disagree.
func namespaces(asked []string, path string) []string {
	var list []string
	for _, value := range asked {
		for _, ns := range strings.Split(value, ",") {
			if ns = strings.TrimSpace(ns); ns != "" {
				list = append(list, ns)
			}
		}
	}
	switch {
	case path == "":
		return list
	case list == nil || slices.Contains(list, path):
		return []string{path}
	}
	return []string{}
}

func (s server) add(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	var d reader
	representee, delegate := d.identifier("representee", r.PathValue("representee")), d.identifier("delegate", r.PathValue("delegate"))
	if err := d.err(); err != nil {
		return rest.Answer{}, err
	}
	var w addWire
	request, err := s.read(r, &w)
	if err != nil {
		return rest.Answer{}, err
	}
	ask, err := w.ask(representee, delegate)
	if err != nil {
		return rest.Answer{}, err
	}
	if !s.here(r) {
		ask.Role = "" // none of another namespace is ours
	}
	if _, err := s.module.Add(r.Context(), actorOf(h), request, ask); err != nil {
		return rest.Answer{}, problemOf(err, addPaths)
	}
	return rest.Answer{Status: http.StatusCreated, Body: []struct{}{}}, nil
}

func (s server) passOn(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	var w passOnWire
	request, err := s.read(r, &w)
	if err != nil {
		return rest.Answer{}, err
	}
	ask, err := w.ask(s.place(r))
	if err != nil {
		return rest.Answer{}, err
	}
	if _, err := s.module.PassOn(r.Context(), actorOf(h), request, ask); err != nil {
		return rest.Answer{}, problemOf(err, passOnPaths)
	}
	return rest.Answer{Body: []struct{}{}}, nil
}

// errAction is an action that nobody knows yet.
var errAction = errors.New("the action is not supported")

func (s server) end(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	var w endWire
	request, err := s.read(r, &w)
	if err != nil {
		return rest.Answer{}, err
	}
	ask, err := w.ask(s.place(r))
	if errors.Is(err, errAction) {
		return rest.Answer{}, &rest.Problem{Status: http.StatusNotImplemented, Code: codeNotSupported, Title: "Not supported",
			Fields: []rest.Field{{Path: "action", Rule: codeNotSupported, Message: "must be DELETE_WITHDRAW or DELETE_WAIVE"}}}
	}
	if err != nil {
		return rest.Answer{}, err
	}
	deleted, err := s.module.End(r.Context(), actorOf(h), request, ask)
	if err != nil {
		return rest.Answer{}, problemOf(err, endPaths)
	}
	return rest.Answer{Body: wireDeleted(deleted)}, nil
}

func (s server) listRoles(_ xroadhdr.Header, r *http.Request) (rest.Answer, error) {
	if !s.here(r) {
		return rest.Answer{Body: []struct{}{}}, nil
	}
	a := rest.Answer{Header: http.Header{"Last-Modified": {s.roles.Format(http.TimeFormat)}}}
	if !modifiedSince(r.Header.Get("If-Modified-Since"), s.roles, s.module.now()) {
		a.Status = http.StatusNotModified
		return a, nil
	}
	a.Body = s.module.settings.RoleDefinitions()
	return a, nil
}

// read reads the body and what names the request, so that its repeat is known.
func (s server) read(r *http.Request, v any) (Request, error) {
	digest := sha256.New()
	if r.Body != nil {
		r.Body = digested{io.TeeReader(r.Body, digest), r.Body}
	}
	if err := rest.DecodeOpen(r, v); err != nil {
		return Request{}, err
	}
	return Request{Method: r.Method, Path: r.URL.EscapedPath(), Digest: hex.EncodeToString(digest.Sum(nil))}, nil
}

type digested struct {
	io.Reader
	io.Closer
}

// here reports whether the path is under no namespace or ours.
func (s server) here(r *http.Request) bool {
	ns := r.PathValue("ns")
	return ns == "" || ns == s.module.settings.Namespace
}

// place is what the path of a link names; the zero Place, which no mandate has, where that can be none of ours.
func (s server) place(r *http.Request) Place {
	if !s.here(r) {
		return Place{}
	}
	p := Place{RepresenteeID: key(r.PathValue("representeeId")), DelegateID: key(r.PathValue("delegateId")), MandateID: key(r.PathValue("mandateId"))}
	if p.RepresenteeID == 0 || p.DelegateID == 0 || p.MandateID == 0 {
		return Place{}
	}
	return p
}

// key reads a key as our links have it, in one way only; 0 for anything else.
func key(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != s {
		return 0
	}
	return n
}

// Where the fields of the rules are in each operation.
var (
	headerPaths = map[Field]string{FieldUser: xroadhdr.HeaderUserID, FieldParty: xroadhdr.HeaderRepresentedParty}
	listPaths   = map[Field]string{}
	addPaths    = map[Field]string{FieldRepresentee: "representee", FieldDelegate: "delegate", FieldRole: "mandate.role", FieldCanSubDelegate: "mandate.canSubDelegate",
		FieldFrom: "mandate.validityPeriod.from", FieldThrough: "mandate.validityPeriod.through"}
	passOnPaths = map[Field]string{FieldDelegate: "subDelegate", FieldFrom: "validityPeriod.from", FieldThrough: "validityPeriod.through", FieldMandate: "mandateId"}
	endPaths    = map[Field]string{FieldMandate: "mandateId"}
)

// pathOf is where a field is, by its own name where an operation has it nowhere else.
func pathOf(f Field, paths map[Field]string) string {
	for _, known := range []map[Field]string{paths, headerPaths} {
		if path, ok := known[f]; ok {
			return path
		}
	}
	return string(f)
}

// problemOf is what Pääsuke is told of an error of the module; a failure of ours stays what it is.
func problemOf(err error, paths map[Field]string) error {
	var refused *Error
	if !errors.As(err, &refused) {
		return err
	}
	p := &rest.Problem{Code: string(refused.Code), Err: err}
	switch refused.Code {
	case Forbidden:
		p.Status, p.Title = http.StatusForbidden, "Forbidden"
	case NotFound, IsEnded:
		p.Status, p.Title, p.Detail = http.StatusNotFound, "Not found", "the mandate "+saying(string(refused.Code))
	case Reused:
		p.Status, p.Title, p.Detail = http.StatusUnprocessableEntity, "Refused", xroadhdr.HeaderID+" "+saying(string(Reused))
	default:
		p.Status, p.Title = http.StatusUnprocessableEntity, "Refused"
	}
	for _, b := range refused.Broken {
		p.Fields = append(p.Fields, rest.Field{Path: pathOf(b.Field, paths), Rule: string(b.Rule), Message: saying(string(b.Rule))})
	}
	return p
}
