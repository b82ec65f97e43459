package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"ametlikudteadaanded.ee/adapter/mandate"
)

const (
	selectRepresentee = `SELECT id, kood, nimi FROM andmeandjad WHERE `
	representeeByCode = selectRepresentee + `kood = ? ORDER BY id LIMIT 1`
	representeeByID   = selectRepresentee + `id = ?`
	delegateByCode    = `SELECT id, isikukood, eesnimi, perenimi FROM kasutajad WHERE isikukood = ? ORDER BY id LIMIT 1`
	answeredRequest   = `SELECT method, path, digest, at, outcome FROM adapter_mandate_request WHERE client = ? AND request_id = ? AND at >= ?`
	// mandatesOfRow are those of a representee's row and of others with its code.
	mandatesOfRow = selectMandate + ` WHERE t.andmeandjad_id IN (SELECT ?2 UNION ALL
			SELECT i.id FROM andmeandjad i WHERE i.id <> ?2 AND i.kood = (SELECT c.kood FROM andmeandjad c WHERE c.id = ?2))
		AND ` + standing + ` ORDER BY t.id`
	insertRepresentee = `INSERT INTO andmeandjad (kood, nimi) VALUES (?, ?)`
	insertDelegate    = `INSERT INTO kasutajad (isikukood, eesnimi, perenimi) VALUES (?, ?, ?)`
	insertMandate     = `INSERT INTO andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, on_tahtajatu,
		esindusoiguse_kehtivus_alates, esindusoiguse_kehtivus_kuni) VALUES (?, ?, ?, ?, ?, ?, ?)`
	updateMandate = `UPDATE andmeandjad_kasutajad SET staatus_kl = ?, on_tahtajatu = ?, esindusoiguse_kehtivus_kuni = ? WHERE id = ?`
	writeMandate  = `INSERT OR REPLACE INTO adapter_mandate (mandate_id, state, parent_id, sub_delegable, added_at, added_by, added_for, asked_from,
		authorizations, document_uuid, single_delegate, ended_at, ended_how, ended_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	appendMandateAudit = `INSERT INTO adapter_mandate_audit (at, mandate_id, action, actor, on_behalf, client, request_id, authorizations,
		document_uuid, single_delegate, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	keepRequest = `INSERT OR REPLACE INTO adapter_mandate_request (client, request_id, method, path, digest, at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)`
)

// heldMandates are those that somebody holds of a party.
var heldMandates = selectMandate + ` WHERE ` + fmt.Sprintf(ofRepresentee, "?2") + ` AND ` + fmt.Sprintf(ofDelegate, "?3") + ` AND ` + standing + ` ORDER BY t.id`

// ChangeMandates shows decide what the scope names and writes the change; see mandate.Store.
func (s *Store) ChangeMandates(ctx context.Context, scope mandate.Scope, decide func(mandate.View) (mandate.Change, error), tell mandate.Tell) ([]mandate.Mandate, error) {
	var written []mandate.Mandate
	err := s.transact(ctx, func(tx transaction) error {
		v, err := mandateView(ctx, tx, scope)
		if err != nil {
			return err
		}
		c, err := decide(v)
		if err != nil {
			return err
		}
		written, err = writeMandates(ctx, tx, v, c, tell)
		return err
	})
	if err != nil {
		return nil, err
	}
	return written, nil
}

func mandateView(ctx context.Context, tx transaction, scope mandate.Scope) (mandate.View, error) {
	var v mandate.View
	var err error
	if scope.RequestID != "" {
		if v.Repeat, err = findAnswered(ctx, tx, scope); err != nil {
			return v, err
		}
	}
	representeeID := scope.RepresenteeID
	if scope.MandateID != 0 {
		if v.Mandate, err = findMandate(ctx, tx, scope.MandateID, scope.Today); err != nil {
			return v, fmt.Errorf("read mandate %d: %w", scope.MandateID, err)
		}
		if v.Mandate != nil {
			representeeID = v.Mandate.Representee.ID
		}
	}
	switch code := scope.Representee.Code(); {
	case representeeID != 0:
		v.Representee, err = findRepresentee(ctx, tx, representeeByID, representeeID)
	case scope.MandateID == 0 && code != "":
		v.Representee, err = findRepresentee(ctx, tx, representeeByCode, code)
	}
	if err != nil {
		return v, err
	}
	if scope.RepresenteeID != 0 && v.Representee == nil {
		return v, fmt.Errorf("read representee %d: %w", scope.RepresenteeID, mandate.ErrNotFound)
	}
	if v.Representee != nil {
		if v.Mandates, err = findMandates(ctx, tx, "read a representee's mandates", mandatesOfRow, day(scope.Today), v.Representee.ID); err != nil {
			return v, err
		}
	}
	if code := scope.Delegate.Code(); code != "" {
		if v.Delegate, err = findDelegate(ctx, tx, code); err != nil {
			return v, err
		}
	}
	if user, party := scope.User.Code(), scope.Party.Code(); user != "" && party != "" {
		v.Held, err = findMandates(ctx, tx, "read a user's mandates", heldMandates, day(scope.Today), party, user)
	}
	return v, err
}

func findAnswered(ctx context.Context, tx transaction, scope mandate.Scope) (*mandate.Answered, error) {
	a := mandate.Answered{Client: scope.Client, ID: scope.RequestID}
	var outcome text
	err := tx.QueryRowContext(ctx, answeredRequest, scope.Client, scope.RequestID, instant(scope.Since)).
		Scan(&a.Request.Method, &a.Request.Path, &a.Request.Digest, (*instant)(&a.At), &outcome)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read an answered request: %w", err)
	}
	a.Outcome = []byte(outcome)
	return &a, nil
}

func findRepresentee(ctx context.Context, tx transaction, query string, arg any) (*mandate.Representee, error) {
	var p mandate.Representee
	var code text
	err := tx.QueryRowContext(ctx, query, arg).Scan(&p.ID, &code, (*text)(&p.Name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a representee: %w", err)
	}
	p.Identifier = identifier(code)
	return &p, nil
}

func findDelegate(ctx context.Context, tx transaction, code string) (*mandate.Delegate, error) {
	var p mandate.Delegate
	var kept text
	err := tx.QueryRowContext(ctx, delegateByCode, code).Scan(&p.ID, &kept, (*text)(&p.FirstName), (*text)(&p.Surname))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a delegate: %w", err)
	}
	p.Identifier = identifier(kept)
	return &p, nil
}

// writeMandates writes all of a change and returns the mandates as written.
func writeMandates(ctx context.Context, tx transaction, v mandate.View, c mandate.Change, tell mandate.Tell) ([]mandate.Mandate, error) {
	var written []mandate.Mandate
	var newID int64
	if c.New != nil {
		m, err := insertNewMandate(ctx, tx, v, c)
		if err != nil {
			return nil, err
		}
		written, newID = append(written, m), m.ID
	}
	for _, m := range c.Mandates {
		i := slices.IndexFunc(v.Mandates, func(o mandate.Mandate) bool { return o.ID == m.ID })
		if i < 0 {
			return nil, fmt.Errorf("update mandate %d: %w", m.ID, mandate.ErrNotFound)
		}
		if before := v.Mandates[i]; m.On != before.On || m.Period.Through != before.Period.Through {
			if _, err := tx.ExecContext(ctx, updateMandate, letter(m.On), flag(m.Period.Through == ""), day(m.Period.Through), m.ID); err != nil {
				return nil, wrap(err, fmt.Sprintf("update mandate %d", m.ID))
			}
		}
		if err := writeOurs(ctx, tx, m); err != nil {
			return nil, err
		}
		written = append(written, m)
	}
	for _, a := range c.Audits {
		if a.MandateID == 0 {
			a.MandateID = newID
		}
		if _, err := tx.ExecContext(ctx, appendMandateAudit, instant(a.At), key(a.MandateID), a.Action, text(a.Actor), text(a.OnBehalf), text(a.Client),
			text(a.RequestID), text(mandate.AuthorizationsText(a.Authorizations)), text(a.Document.UUID), flag(a.Document.SingleDelegate), text(a.Detail)); err != nil {
			return nil, wrap(err, "append to the audit of mandates")
		}
	}
	if a := c.Answered; a != nil {
		if _, err := tx.ExecContext(ctx, keepRequest, a.Client, a.ID, a.Request.Method, a.Request.Path, a.Request.Digest, instant(a.At), string(a.Outcome)); err != nil {
			return nil, wrap(err, "keep an answered request")
		}
	}
	return written, tellMandates(ctx, tx, c, written, newID, tell)
}

// tellMandates appends what happened, of the mandates as they are written.
func tellMandates(ctx context.Context, tx transaction, c mandate.Change, written []mandate.Mandate, newID int64, tell mandate.Tell) error {
	for _, h := range c.Happened {
		if h.MandateID == 0 {
			h.MandateID = newID
		}
		i := slices.IndexFunc(written, func(m mandate.Mandate) bool { return m.ID == h.MandateID })
		if i < 0 {
			return fmt.Errorf("event %s: mandate %d is not written by this change", h.Kind, h.MandateID)
		}
		e, err := tell(h.Kind, written[i])
		if err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, e, 0); err != nil {
			return err
		}
	}
	return nil
}

// insertNewMandate writes a new mandate, and its people where they are new.
func insertNewMandate(ctx context.Context, tx transaction, v mandate.View, c mandate.Change) (mandate.Mandate, error) {
	m := *c.New
	var err error
	if r := c.Representee; r != nil {
		m.Representee = *r
		if m.Representee.ID, err = insert(ctx, tx, "insert a representee", insertRepresentee, r.Identifier.Code(), text(r.Name)); err != nil {
			return m, err
		}
	} else if v.Representee != nil {
		m.Representee = *v.Representee
	}
	if u := c.Delegate; u != nil {
		m.Delegate = *u
		if m.Delegate.ID, err = insert(ctx, tx, "insert a delegate", insertDelegate, u.Identifier.Code(), text(u.FirstName), text(u.Surname)); err != nil {
			return m, err
		}
	} else if v.Delegate != nil {
		m.Delegate = *v.Delegate
	}
	if m.Representee.ID == 0 || m.Delegate.ID == 0 {
		return m, errors.New("insert a mandate: it has no representee or no delegate")
	}
	m.ID, err = insert(ctx, tx, "insert a mandate", insertMandate, m.Representee.ID, m.Delegate.ID, string(m.Role), letter(m.On),
		flag(m.Period.Through == ""), day(m.Period.From), day(m.Period.Through))
	if err != nil {
		return m, err
	}
	return m, writeOurs(ctx, tx, m)
}

// insert returns the key of a new row.
func insert(ctx context.Context, tx transaction, doing, statement string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, wrap(err, doing)
	}
	return res.LastInsertId()
}

// letter is AT's switch.
func letter(on bool) string {
	if on {
		return "A"
	}
	return "M"
}

// writeOurs writes our row of a mandate whole.
func writeOurs(ctx context.Context, tx transaction, m mandate.Mandate) error {
	doing := fmt.Sprintf("write mandate %d", m.ID)
	switch m.Known {
	case mandate.Waiting, mandate.Active, mandate.Ended:
	default:
		return fmt.Errorf("%s: state: not a known state", doing)
	}
	if _, err := tx.ExecContext(ctx, writeMandate, m.ID, string(m.Known), key(m.Parent), flag(m.SubDelegable), instant(m.AddedAt), text(m.AddedBy), text(m.AddedFor),
		day(m.AskedFrom), text(mandate.AuthorizationsText(m.Authorizations)), text(m.Document.UUID), flag(m.Document.SingleDelegate),
		instant(m.Ended.At), text(m.Ended.How), text(m.Ended.By)); err != nil {
		return wrap(err, doing)
	}
	return nil
}
