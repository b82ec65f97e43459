package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// mandateColumns are what scanMandate reads, of AT's tables t, r and u, our table a, and who passed the mandate on. ?1 is today.
const mandateColumns = `t.id, r.id, r.kood, r.nimi, u.id, u.isikukood, u.eesnimi, u.perenimi,
	t.role, t.staatus_kl = 'A', t.esindusoiguse_kehtivus_alates, t.esindusoiguse_kehtivus_kuni,
	a.state, a.sub_delegable, a.parent_id, a.added_at, a.added_by, a.added_for, a.asked_from, a.authorizations,
	a.document_uuid, a.single_delegate, a.ended_at, a.ended_how, a.ended_by,
	d.id, d.isikukood, d.eesnimi, d.perenimi, ` + orphaned

// orphaned says whether something above a mandate in its chain has ended, or is not there any more. The core switches and changes
// days by itself, so the chain is looked at each time; few mandates have one.
const orphaned = `CASE WHEN a.parent_id IS NULL THEN 0 ELSE (
		WITH RECURSIVE up (id) AS (SELECT a.parent_id
			UNION SELECT o.parent_id FROM up CROSS JOIN adapter_mandate o ON o.mandate_id = up.id WHERE o.parent_id IS NOT NULL)
		SELECT 1 - coalesce(min(coalesce((x.staatus_kl = 'A' OR y.state = 'waiting')
				AND (x.esindusoiguse_kehtivus_kuni IS NULL OR x.esindusoiguse_kehtivus_kuni >= ?1), 0)), 0)
		FROM up LEFT JOIN andmeandjad_kasutajad x ON x.id = up.id LEFT JOIN adapter_mandate y ON y.mandate_id = up.id) END`

const selectMandate = `SELECT ` + mandateColumns + `
	FROM andmeandjad_kasutajad t
	CROSS JOIN andmeandjad r ON r.id = t.andmeandjad_id
	CROSS JOIN kasutajad u ON u.id = t.kasutajad_id
	LEFT JOIN adapter_mandate a ON a.mandate_id = t.id
	LEFT JOIN andmeandjad_kasutajad p ON p.id = a.parent_id
	LEFT JOIN kasutajad d ON d.id = p.kasutajad_id`

const (
	ofRepresentee = `t.andmeandjad_id IN (SELECT i.id FROM andmeandjad i WHERE i.kood = %s)`
	ofDelegate    = `t.kasutajad_id IN (SELECT i.id FROM kasutajad i WHERE i.isikukood = %s)`
	// standing are mandates that have not ended for good; what else of them has, is mandate.Mandate's to say.
	standing = `(t.staatus_kl = 'A' OR a.state IN ('waiting', 'active') OR a.state IS NULL AND t.esindusoiguse_kehtivus_alates > ?1)`
)

const mandateByID = selectMandate + ` WHERE t.id = ?2`

func scanMandate(r row) (mandate.Mandate, error) {
	var m mandate.Mandate
	var representee, delegate, subDelegator, state, authorizations, how text
	var d mandate.Delegate
	err := r.Scan(&m.ID, &m.Representee.ID, &representee, (*text)(&m.Representee.Name),
		&m.Delegate.ID, &delegate, (*text)(&m.Delegate.FirstName), (*text)(&m.Delegate.Surname),
		(*text)(&m.Role), (*flag)(&m.On), (*day)(&m.Period.From), (*day)(&m.Period.Through),
		&state, (*flag)(&m.SubDelegable), (*key)(&m.Parent), (*instant)(&m.AddedAt), (*text)(&m.AddedBy), (*text)(&m.AddedFor), (*day)(&m.AskedFrom), &authorizations,
		(*text)(&m.Document.UUID), (*flag)(&m.Document.SingleDelegate), (*instant)(&m.Ended.At), &how, (*text)(&m.Ended.By),
		(*key)(&d.ID), &subDelegator, (*text)(&d.FirstName), (*text)(&d.Surname), (*flag)(&m.Orphaned))
	if err != nil {
		return m, err
	}
	m.Representee.Identifier, m.Delegate.Identifier = identifier(representee), identifier(delegate)
	m.Known, m.Ended.How = mandate.State(state), mandate.How(how)
	if d.ID != 0 {
		d.Identifier = identifier(subDelegator)
		m.SubDelegator = &d
	}
	m.Authorizations, err = mandate.ParseAuthorizations(string(authorizations))
	return m, err
}

// identifier is that of a code of AT's tables; "" for none.
func identifier(code text) mandate.Identifier {
	if code == "" {
		return ""
	}
	return mandate.Estonian(string(code))
}

// day is a date as text, YYYY-MM-DD; NULL is an open end.
type day mandate.Date

func (d day) Value() (driver.Value, error) { return text(d).Value() }

func (d *day) Scan(src any) error {
	if t, ok := src.(time.Time); ok { // a column that the core's own table declares a date
		*d = day(t.UTC().Format(time.DateOnly))
		return nil
	}
	return (*text)(d).Scan(src)
}

// Mandate returns one mandate, or mandate.ErrNotFound.
func (s *Store) Mandate(ctx context.Context, id int64, today mandate.Date) (mandate.Mandate, error) {
	m, err := findMandate(ctx, s.read, id, today)
	if err == nil && m == nil {
		err = mandate.ErrNotFound
	}
	if err != nil {
		return mandate.Mandate{}, fmt.Errorf("read mandate %d: %w", id, err)
	}
	return *m, nil
}

// findMandate is nil where there is none.
func findMandate(ctx context.Context, q querier, id int64, today mandate.Date) (*mandate.Mandate, error) {
	m, err := scanMandate(q.QueryRowContext(ctx, mandateByID, day(today), id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &m, err
}

// Mandates returns mandates in ascending order of ID; see mandate.Store.
func (s *Store) Mandates(ctx context.Context, f mandate.Filter) ([]mandate.Mandate, error) {
	if f.Representee != "" && f.Representee.Code() == "" || f.Delegate != "" && f.Delegate.Code() == "" {
		return nil, nil
	}
	query, args := mandatesQuery(f)
	return findMandates(ctx, s.read, "list mandates", query, args...)
}

func findMandates(ctx context.Context, q querier, doing, query string, args ...any) ([]mandate.Mandate, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	list, err := collect(rows, err, scanMandate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return list, nil
}

func mandatesQuery(f mandate.Filter) (string, []any) {
	query, args := selectMandate+` WHERE t.id > ?2`, []any{day(f.Today), f.After}
	add := func(condition string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(condition, fmt.Sprintf("?%d", len(args)))
	}
	if f.Representee != "" {
		add(` AND `+ofRepresentee, f.Representee.Code())
	}
	if f.Delegate != "" {
		add(` AND `+ofDelegate, f.Delegate.Code())
	}
	if !f.History {
		query += ` AND ` + standing
	}
	query += ` ORDER BY t.id`
	if f.Limit > 0 {
		add(` LIMIT %s`, f.Limit)
	}
	return query, args
}

const (
	adoptMandates = `INSERT INTO adapter_mandate (mandate_id, state)
		SELECT t.id, 'waiting' FROM andmeandjad_kasutajad t
		WHERE t.staatus_kl <> 'A' AND t.esindusoiguse_kehtivus_alates > ?1
		AND (t.esindusoiguse_kehtivus_kuni IS NULL OR t.esindusoiguse_kehtivus_kuni >= ?1)
		AND NOT EXISTS (SELECT 1 FROM adapter_mandate a WHERE a.mandate_id = t.id)`
	forgetRequests = `DELETE FROM adapter_mandate_request WHERE at < ?`

	// A part of the mandates is looked at in one statement, in some hundredths of a second.
	unsettledEnd = `SELECT coalesce(max(id), 0), count(*) FROM (SELECT id FROM andmeandjad_kasutajad WHERE id > ? ORDER BY id LIMIT ?)`
	unsettled    = `SELECT DISTINCT t.andmeandjad_id FROM (SELECT * FROM andmeandjad_kasutajad WHERE id > ?2 ORDER BY id LIMIT ?3) t
		LEFT JOIN adapter_mandate a ON a.mandate_id = t.id
		WHERE t.andmeandjad_id IS NOT NULL AND (
			t.staatus_kl = 'A' AND (t.esindusoiguse_kehtivus_kuni < ?1 OR a.state IS NOT 'active')
			OR t.staatus_kl <> 'A' AND a.state = 'active'
			OR a.state = 'waiting' AND (t.esindusoiguse_kehtivus_alates <= ?1 OR t.esindusoiguse_kehtivus_kuni < ?1)
			OR t.staatus_kl <> 'A' AND a.state IS NULL AND t.esindusoiguse_kehtivus_alates > ?1
			OR a.parent_id IS NOT NULL AND (t.staatus_kl = 'A' OR a.state = 'waiting') AND ` + orphaned + `)
		ORDER BY t.andmeandjad_id`
)

// partOfMandates is how many mandates Unsettled looks at.
const partOfMandates = 10_000

// AdoptMandates gives waiting rows of the core's a row of ours; see mandate.Store.
func (s *Store) AdoptMandates(ctx context.Context, today mandate.Date, _ time.Time) (int, error) {
	return s.count(ctx, "adopt waiting mandates", adoptMandates, day(today))
}

// ForgetRequests forgets answered requests; see mandate.Store.
func (s *Store) ForgetRequests(ctx context.Context, before time.Time) (int, error) {
	return s.count(ctx, "forget answered requests", forgetRequests, instant(before))
}

// count runs a statement and returns how many rows it met.
func (s *Store) count(ctx context.Context, doing, statement string, args ...any) (n int, err error) {
	err = s.transact(ctx, func(tx transaction) error {
		res, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return wrap(err, doing)
		}
		met, err := res.RowsAffected()
		n = int(met)
		return err
	})
	return n, err
}

// Unsettled searches for the night's work; see mandate.Store.
func (s *Store) Unsettled(ctx context.Context, today mandate.Date, after int64) (ids []int64, next int64, err error) {
	var last int64
	var seen int
	if err := s.read.QueryRowContext(ctx, unsettledEnd, after, partOfMandates).Scan(&last, &seen); err != nil {
		return nil, 0, fmt.Errorf("search the end of a part: %w", err)
	}
	rows, err := s.read.QueryContext(ctx, unsettled, day(today), after, partOfMandates)
	ids, err = collect(rows, err, func(r row) (id int64, err error) {
		err = r.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("search unsettled mandates: %w", err)
	}
	if seen == partOfMandates {
		next = last
	}
	return ids, next, nil
}

const auditsOfMandate = `SELECT at, mandate_id, action, actor, on_behalf, client, request_id, authorizations, document_uuid, single_delegate, detail
	FROM adapter_mandate_audit WHERE mandate_id = ? ORDER BY id`

// MandateAudits returns who did what to a mandate, oldest first.
func (s *Store) MandateAudits(ctx context.Context, id int64) ([]mandate.Audit, error) {
	rows, err := s.read.QueryContext(ctx, auditsOfMandate, id)
	list, err := collect(rows, err, scanMandateAudit)
	if err != nil {
		return nil, fmt.Errorf("read the audit of mandate %d: %w", id, err)
	}
	return list, nil
}

func scanMandateAudit(r row) (mandate.Audit, error) {
	var a mandate.Audit
	var authorizations text
	err := r.Scan((*instant)(&a.At), &a.MandateID, &a.Action, (*text)(&a.Actor), (*text)(&a.OnBehalf), (*text)(&a.Client), (*text)(&a.RequestID),
		&authorizations, (*text)(&a.Document.UUID), (*flag)(&a.Document.SingleDelegate), (*text)(&a.Detail))
	if err == nil {
		a.Authorizations, err = mandate.ParseAuthorizations(string(authorizations))
	}
	return a, err
}
