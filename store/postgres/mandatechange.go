package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
)

// A change of mandates takes its locks in this order, and so never in a circle: the request (client and id), the representee (by
// code), the new delegate (by code), the representee's mandates by key, and the end of the feed. The rows are locked against the
// core, which knows nothing of the other locks.
const (
	lockRequest          = `SELECT pg_advisory_xact_lock(hashtextextended(jsonb_build_array($1::text, $2::text)::text, 7005))`
	lockRepresentee      = `SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7006))`
	lockRepresenteeByID  = `SELECT pg_advisory_xact_lock(hashtextextended(coalesce(kood, id::text), 7006)) FROM atis.andmeandjad WHERE id = $1`
	lockRepresenteeOf    = `SELECT pg_advisory_xact_lock(hashtextextended(coalesce(r.kood, r.id::text), 7006)) FROM atis.andmeandjad r WHERE r.id = ` + representeeOf
	lockDelegate         = `SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7007))`
	representeeOf        = `(SELECT o.andmeandjad_id FROM atis.andmeandjad_kasutajad o WHERE o.id = $1)`
	selectRepresentee    = `SELECT id, kood, nimi FROM atis.andmeandjad WHERE `
	representeeByCode    = selectRepresentee + `kood = $1 ORDER BY id LIMIT 1`
	representeeByID      = selectRepresentee + `id = $1`
	representeeOfMandate = selectRepresentee + `id = ` + representeeOf
	delegateByCode       = `SELECT id, isikukood, eesnimi, perenimi FROM atis.kasutajad WHERE isikukood = $1 ORDER BY id LIMIT 1`
	answeredRequest      = `SELECT method, path, digest, at, outcome FROM atis.adapter_mandate_request WHERE client = $1 AND request_id = $2 AND at >= $3`
	endOfLock            = ` ORDER BY t.id FOR NO KEY UPDATE OF t`
	insertRepresentee    = `INSERT INTO atis.andmeandjad (kood, nimi) VALUES ($1, $2) RETURNING id`
	insertDelegate       = `INSERT INTO atis.kasutajad (isikukood, eesnimi, perenimi) VALUES ($1, $2, $3) RETURNING id`
	insertMandate        = `INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, on_tahtajatu,
		esindusoiguse_kehtivus_alates, esindusoiguse_kehtivus_kuni) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`
	updateMandate = `UPDATE atis.andmeandjad_kasutajad SET staatus_kl = $2, on_tahtajatu = $3, esindusoiguse_kehtivus_kuni = $4 WHERE id = $1`
	writeMandate  = `INSERT INTO atis.adapter_mandate (mandate_id, state, parent_id, sub_delegable, added_at, added_by, added_for, asked_from,
			authorizations, document_uuid, single_delegate, ended_at, ended_how, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (mandate_id) DO UPDATE SET state = excluded.state, parent_id = excluded.parent_id, sub_delegable = excluded.sub_delegable,
			added_at = excluded.added_at, added_by = excluded.added_by, added_for = excluded.added_for, asked_from = excluded.asked_from,
			authorizations = excluded.authorizations, document_uuid = excluded.document_uuid, single_delegate = excluded.single_delegate,
			ended_at = excluded.ended_at, ended_how = excluded.ended_how, ended_by = excluded.ended_by`
	appendMandateAudit = `INSERT INTO atis.adapter_mandate_audit (at, mandate_id, action, actor, on_behalf, client, request_id, authorizations,
		document_uuid, single_delegate, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	keepRequest = `INSERT INTO atis.adapter_mandate_request (client, request_id, method, path, digest, at, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (client, request_id) DO UPDATE SET method = excluded.method, path = excluded.path, digest = excluded.digest,
			at = excluded.at, outcome = excluded.outcome`
)

// Statements of a code that is known: of a representee's mandates, and of those that somebody holds of a party.
var (
	lockMandatesOfRow     = selectMandate + ` WHERE ` + fmt.Sprintf(ofRow, "$2") + ` AND ` + standing + endOfLock
	lockMandatesOfMandate = selectMandate + ` WHERE ` + fmt.Sprintf(ofRow, representeeOf2) + ` AND ` + standing + endOfLock
	lockMandatesOf        = selectMandate + ` WHERE ` + fmt.Sprintf(ofRepresentee, "$2") + ` AND ` + standing + endOfLock
	heldMandates          = selectMandate + ` WHERE ` + fmt.Sprintf(ofRepresentee, "$2") + ` AND ` + fmt.Sprintf(ofDelegate, "$3") + ` AND ` + standing + ` ORDER BY t.id`
)

// ChangeMandates shows decide what the scope names and writes the change; see mandate.Store.
func (s *Store) ChangeMandates(ctx context.Context, scope mandate.Scope, decide func(mandate.View) (mandate.Change, error), tell mandate.Tell) ([]mandate.Mandate, error) {
	for attempt := 1; ; attempt++ {
		written, err := s.changeMandates(ctx, scope, decide, tell)
		// Where AT's codes are unique, the core may have inserted the same person meanwhile: now it is there to be seen.
		if err == nil || attempt == attempts || code(err) != uniqueViolation {
			return written, err
		}
	}
}

func (s *Store) changeMandates(ctx context.Context, scope mandate.Scope, decide func(mandate.View) (mandate.Change, error), tell mandate.Tell) ([]mandate.Mandate, error) {
	var written []mandate.Mandate
	err := s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		v, err := mandateView(ctx, tx, scope)
		if err != nil {
			return err
		}
		c, err := decide(v)
		if err != nil {
			return err
		}
		w := mandateWriting{tx: tx, view: v, change: c, tell: tell}
		written, err = w.write(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return written, nil
}

func mandateView(ctx context.Context, tx *transaction, scope mandate.Scope) (mandate.View, error) {
	today := date(scope.Today)
	var v mandate.View
	var repeats []mandate.Answered
	var representees []mandate.Representee
	var delegates []mandate.Delegate
	var named []mandate.Mandate
	b := tx.batch()
	if scope.RequestID != "" {
		b.exec("lock a request", lockRequest, scope.Client, scope.RequestID)
		rows(b, "read an answered request", answeredRequest, []any{scope.Client, scope.RequestID, moment(scope.Since)}, scanAnswered, &repeats)
	}
	switch code := scope.Representee.Code(); {
	case scope.MandateID != 0:
		b.exec("lock a representee", lockRepresenteeOf, scope.MandateID)
		rows(b, "read a representee", representeeOfMandate, []any{scope.MandateID}, scanRepresentee, &representees)
	case scope.RepresenteeID != 0:
		b.exec("lock a representee", lockRepresenteeByID, scope.RepresenteeID)
		rows(b, "read a representee", representeeByID, []any{scope.RepresenteeID}, scanRepresentee, &representees)
	case code != "":
		b.exec("lock a representee", lockRepresentee, code)
		rows(b, "read a representee", representeeByCode, []any{code}, scanRepresentee, &representees)
	}
	if code := scope.Delegate.Code(); code != "" {
		b.exec("lock a delegate", lockDelegate, code)
		rows(b, "read a delegate", delegateByCode, []any{code}, scanDelegate, &delegates)
	}
	switch {
	case scope.MandateID != 0:
		rows(b, "read a representee's mandates", lockMandatesOfMandate, []any{today, scope.MandateID}, scanMandate, &v.Mandates)
		rows(b, fmt.Sprintf("read mandate %d", scope.MandateID), mandateByID, []any{today, scope.MandateID}, scanMandate, &named)
	case scope.RepresenteeID != 0:
		rows(b, "read a representee's mandates", lockMandatesOfRow, []any{today, scope.RepresenteeID}, scanMandate, &v.Mandates)
	case scope.Representee.Code() != "":
		rows(b, "read a representee's mandates", lockMandatesOf, []any{today, scope.Representee.Code()}, scanMandate, &v.Mandates)
	}
	if user, party := scope.User.Code(), scope.Party.Code(); user != "" && party != "" {
		rows(b, "read a user's mandates", heldMandates, []any{today, party, user}, scanMandate, &v.Held)
	}
	if err := tx.run(ctx, b); err != nil {
		return mandate.View{}, err
	}
	if len(repeats) > 0 {
		v.Repeat = &repeats[0]
		v.Repeat.Client, v.Repeat.ID = scope.Client, scope.RequestID
	}
	if len(representees) > 0 {
		v.Representee = &representees[0]
	}
	if len(delegates) > 0 {
		v.Delegate = &delegates[0]
	}
	if len(named) > 0 {
		v.Mandate = &named[0]
	}
	if scope.RepresenteeID != 0 && v.Representee == nil {
		return mandate.View{}, fmt.Errorf("read representee %d: %w", scope.RepresenteeID, mandate.ErrNotFound)
	}
	return v, nil
}

// The mandates of a representee's row and of others with its code: of row $2, and of the row of mandate $2.
const (
	ofRow = `t.id = ANY (ARRAY(SELECT j.id FROM atis.andmeandjad_kasutajad j WHERE j.andmeandjad_id = ANY (ARRAY(
		SELECT c.id FROM atis.andmeandjad c WHERE c.id = %[1]s
		UNION SELECT i.id FROM atis.andmeandjad i WHERE i.kood = (SELECT c.kood FROM atis.andmeandjad c WHERE c.id = %[1]s)))))`
	representeeOf2 = `(SELECT o.andmeandjad_id FROM atis.andmeandjad_kasutajad o WHERE o.id = $2)`
)

func scanAnswered(r pgx.CollectableRow) (mandate.Answered, error) {
	var a mandate.Answered
	err := r.Scan(&a.Request.Method, &a.Request.Path, &a.Request.Digest, (*instant)(&a.At), (*[]byte)(&a.Outcome))
	return a, err
}

func scanRepresentee(r pgx.CollectableRow) (mandate.Representee, error) {
	var p mandate.Representee
	var code text
	err := r.Scan(&p.ID, &code, (*text)(&p.Name))
	p.Identifier = identifier(code)
	return p, err
}

func scanDelegate(r pgx.CollectableRow) (mandate.Delegate, error) {
	var p mandate.Delegate
	var code text
	err := r.Scan(&p.ID, &code, (*text)(&p.FirstName), (*text)(&p.Surname))
	p.Identifier = identifier(code)
	return p, err
}

// mandateWriting is a transaction that writes a change of mandates.
type mandateWriting struct {
	tx     *transaction
	view   mandate.View
	change mandate.Change
	tell   mandate.Tell
}

// write writes the change and commits it.
func (w *mandateWriting) write(ctx context.Context) ([]mandate.Mandate, error) {
	if err := checkMandates(w.change); err != nil {
		return nil, err
	}
	var written []mandate.Mandate
	var newID int64
	if w.change.New != nil {
		m, err := w.insert(ctx, *w.change.New)
		if err != nil {
			return nil, err
		}
		written, newID = append(written, m), m.ID
	}
	b := w.tx.batch()
	for _, m := range w.change.Mandates {
		i := slices.IndexFunc(w.view.Mandates, func(o mandate.Mandate) bool { return o.ID == m.ID })
		if i < 0 {
			return nil, fmt.Errorf("update mandate %d: %w", m.ID, mandate.ErrNotFound)
		}
		if before := w.view.Mandates[i]; m.On != before.On || m.Period.Through != before.Period.Through {
			b.exec(fmt.Sprintf("update mandate %d", m.ID), updateMandate, m.ID, letter(m.On), m.Period.Through == "", date(m.Period.Through))
		}
		b.writeMandate(m)
		written = append(written, m)
	}
	if newID != 0 {
		b.writeMandate(written[0])
	}
	for _, a := range w.change.Audits {
		if a.MandateID == 0 {
			a.MandateID = newID
		}
		b.exec("append to the audit of mandates", appendMandateAudit, moment(a.At), reference(a.MandateID), a.Action, word(a.Actor), word(string(a.OnBehalf)),
			word(a.Client), word(a.RequestID), word(mandate.AuthorizationsText(a.Authorizations)), word(a.Document.UUID), a.Document.SingleDelegate, word(a.Detail))
	}
	if a := w.change.Answered; a != nil {
		b.exec("keep an answered request", keepRequest, a.Client, a.ID, a.Request.Method, a.Request.Path, a.Request.Digest, moment(a.At), string(a.Outcome))
	}
	events, err := w.events(written, newID)
	if err != nil {
		return nil, err
	}
	if err := b.appendEvents(events, 0); err != nil {
		return nil, err
	}
	return written, w.tx.commit(ctx, b)
}

// insert writes a new mandate's row of AT's, and its people where they are new.
func (w *mandateWriting) insert(ctx context.Context, m mandate.Mandate) (mandate.Mandate, error) {
	b, news := w.tx.batch(), false
	if r := w.change.Representee; r != nil {
		m.Representee, news = *r, true
		b.row("insert a representee", insertRepresentee, []any{r.Identifier.Code(), word(r.Name)}, &m.Representee.ID)
	} else if w.view.Representee != nil {
		m.Representee = *w.view.Representee
	}
	if u := w.change.Delegate; u != nil {
		m.Delegate, news = *u, true
		b.row("insert a delegate", insertDelegate, []any{u.Identifier.Code(), word(u.FirstName), word(u.Surname)}, &m.Delegate.ID)
	} else if w.view.Delegate != nil {
		m.Delegate = *w.view.Delegate
	}
	if news {
		if err := w.tx.run(ctx, b); err != nil {
			return m, err
		}
		b = w.tx.batch()
	}
	if m.Representee.ID == 0 || m.Delegate.ID == 0 {
		return m, errors.New("insert a mandate: it has no representee or no delegate")
	}
	b.row("insert a mandate", insertMandate, []any{m.Representee.ID, m.Delegate.ID, string(m.Role), letter(m.On), m.Period.Through == "",
		date(m.Period.From), date(m.Period.Through)}, &m.ID)
	return m, w.tx.run(ctx, b)
}

// letter is AT's switch.
func letter(on bool) string {
	if on {
		return "A"
	}
	return "M"
}

func (b *batch) writeMandate(m mandate.Mandate) {
	b.exec(fmt.Sprintf("write mandate %d", m.ID), writeMandate, m.ID, string(m.Known), reference(m.Parent), m.SubDelegable,
		moment(m.AddedAt), word(m.AddedBy), word(string(m.AddedFor)), date(m.AskedFrom), word(mandate.AuthorizationsText(m.Authorizations)),
		word(m.Document.UUID), m.Document.SingleDelegate, moment(m.Ended.At), word(string(m.Ended.How)), word(m.Ended.By))
}

// events are what happened, of the mandates as they are written.
func (w *mandateWriting) events(written []mandate.Mandate, newID int64) ([]event.Event, error) {
	var events []event.Event
	for _, h := range w.change.Happened {
		if h.MandateID == 0 {
			h.MandateID = newID
		}
		i := slices.IndexFunc(written, func(m mandate.Mandate) bool { return m.ID == h.MandateID })
		if i < 0 {
			return nil, fmt.Errorf("event %s: mandate %d is not written by this change", h.Kind, h.MandateID)
		}
		e, err := w.tell(h.Kind, written[i])
		if err != nil {
			return nil, err
		}
		if err := checkMoment(e.Time); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// checkMandates says what of a change does not fit its column, before anything is sent.
func checkMandates(c mandate.Change) error {
	var err error
	list := slices.Clone(c.Mandates)
	if c.New != nil {
		list = append(list, *c.New)
	}
	for _, m := range list {
		switch m.Known {
		case mandate.Waiting, mandate.Active, mandate.Ended:
		default:
			err = errors.Join(err, fmt.Errorf("mandate %d: state: not a known state", m.ID))
		}
		err = errors.Join(err, checkMoment(m.AddedAt), checkMoment(m.Ended.At))
	}
	for _, a := range c.Audits {
		err = errors.Join(err, checkMoment(a.At))
	}
	if c.Answered != nil {
		err = errors.Join(err, checkMoment(c.Answered.At))
	}
	return err
}
