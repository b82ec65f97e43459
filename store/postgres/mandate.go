package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// mandateColumns are what scanMandate reads, of AT's tables t, r and u, our table a, and who passed the mandate on. $1 is today.
const mandateColumns = `t.id, r.id, r.kood, r.nimi, u.id, u.isikukood, u.eesnimi, u.perenimi,
	t.role, t.staatus_kl = 'A', t.esindusoiguse_kehtivus_alates, t.esindusoiguse_kehtivus_kuni,
	a.state, coalesce(a.sub_delegable, false), a.parent_id, a.added_at, a.added_by, a.added_for, a.asked_from, a.authorizations,
	a.document_uuid, coalesce(a.single_delegate, false), a.ended_at, a.ended_how, a.ended_by,
	d.id, d.isikukood, d.eesnimi, d.perenimi, ` + orphaned

// orphaned says whether something above a mandate in its chain has ended, or is not there any more. The core switches and changes
// days by itself, so the chain is looked at each time; few mandates have one.
const orphaned = `CASE WHEN a.parent_id IS NULL THEN false ELSE (
		WITH RECURSIVE up (id) AS (SELECT a.parent_id
			UNION SELECT o.parent_id FROM up JOIN atis.adapter_mandate o ON o.mandate_id = up.id WHERE o.parent_id IS NOT NULL)
		SELECT NOT coalesce(bool_and(coalesce((x.staatus_kl = 'A' OR y.state = 'waiting')
				AND (x.esindusoiguse_kehtivus_kuni IS NULL OR x.esindusoiguse_kehtivus_kuni >= $1::date), false)), false)
		FROM up LEFT JOIN atis.andmeandjad_kasutajad x ON x.id = up.id LEFT JOIN atis.adapter_mandate y ON y.mandate_id = up.id) END`

const selectMandate = `SELECT ` + mandateColumns + `
	FROM atis.andmeandjad_kasutajad t
	JOIN atis.andmeandjad r ON r.id = t.andmeandjad_id
	JOIN atis.kasutajad u ON u.id = t.kasutajad_id
	LEFT JOIN atis.adapter_mandate a ON a.mandate_id = t.id
	LEFT JOIN atis.andmeandjad_kasutajad p ON p.id = a.parent_id
	LEFT JOIN atis.kasutajad d ON d.id = p.kasutajad_id`

// ofRepresentee and ofDelegate look the few keys up first: joined in the order of keys, all mandates would be read up to the last of them.
const (
	ofRepresentee = `t.id = ANY (ARRAY(SELECT j.id FROM atis.andmeandjad_kasutajad j
		WHERE j.andmeandjad_id = ANY (ARRAY(SELECT i.id FROM atis.andmeandjad i WHERE i.kood = %s))))`
	ofDelegate = `t.id = ANY (ARRAY(SELECT j.id FROM atis.andmeandjad_kasutajad j
		WHERE j.kasutajad_id = ANY (ARRAY(SELECT i.id FROM atis.kasutajad i WHERE i.isikukood = %s))))`
	// standing are mandates that have not ended for good; what else of them has, is mandate.Mandate's to say.
	standing = `(t.staatus_kl = 'A' OR a.state IN ('waiting', 'active') OR a.state IS NULL AND t.esindusoiguse_kehtivus_alates > $1::date)`
)

const mandateByID = selectMandate + ` WHERE t.id = $2`

func scanMandate(r pgx.CollectableRow) (mandate.Mandate, error) {
	var m mandate.Mandate
	var representee, delegate, subDelegator, state, authorizations, how text
	var d mandate.Delegate
	err := r.Scan(&m.ID, &m.Representee.ID, &representee, (*text)(&m.Representee.Name),
		&m.Delegate.ID, &delegate, (*text)(&m.Delegate.FirstName), (*text)(&m.Delegate.Surname),
		(*text)(&m.Role), (*flag)(&m.On), (*day)(&m.Period.From), (*day)(&m.Period.Through),
		&state, &m.SubDelegable, (*key)(&m.Parent), (*instant)(&m.AddedAt), (*text)(&m.AddedBy), (*text)(&m.AddedFor), (*day)(&m.AskedFrom), &authorizations,
		(*text)(&m.Document.UUID), &m.Document.SingleDelegate, (*instant)(&m.Ended.At), &how, (*text)(&m.Ended.By),
		(*key)(&d.ID), &subDelegator, (*text)(&d.FirstName), (*text)(&d.Surname), &m.Orphaned)
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

// day is a date whose NULL is an open end, as is an infinite one of the core's.
type day mandate.Date

// ScanDate reads a column.
func (d *day) ScanDate(v pgtype.Date) error {
	*d = ""
	if v.Valid && v.InfinityModifier == pgtype.Finite {
		*d = day(v.Time.Format(time.DateOnly))
	}
	return nil
}

func date(d mandate.Date) any { return word(string(d)) }

// Mandate returns one mandate, or mandate.ErrNotFound.
func (s *Store) Mandate(ctx context.Context, id int64, today mandate.Date) (mandate.Mandate, error) {
	doing := fmt.Sprintf("read mandate %d", id)
	var found []mandate.Mandate
	err := s.read(ctx, func(b *batch) { rows(b, doing, mandateByID, []any{date(today), id}, scanMandate, &found) })
	if err != nil {
		return mandate.Mandate{}, err
	}
	if len(found) == 0 {
		return mandate.Mandate{}, fmt.Errorf("%s: %w", doing, mandate.ErrNotFound)
	}
	return found[0], nil
}

// Mandates returns mandates in ascending order of ID; see mandate.Store.
func (s *Store) Mandates(ctx context.Context, f mandate.Filter) ([]mandate.Mandate, error) {
	if f.Representee != "" && f.Representee.Code() == "" || f.Delegate != "" && f.Delegate.Code() == "" {
		return nil, nil
	}
	query, args := mandatesQuery(f)
	var found []mandate.Mandate
	err := s.read(ctx, func(b *batch) { rows(b, "list mandates", query, args, scanMandate, &found) })
	return found, err
}

func mandatesQuery(f mandate.Filter) (string, []any) {
	query, args := selectMandate+` WHERE t.id > $2`, []any{date(f.Today), f.After}
	add := func(condition string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(condition, "$"+strconv.Itoa(len(args)))
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
	adoptMandates = `INSERT INTO atis.adapter_mandate (mandate_id, state)
		SELECT t.id, 'waiting' FROM atis.andmeandjad_kasutajad t
		WHERE t.staatus_kl <> 'A' AND t.esindusoiguse_kehtivus_alates > $1::date
		AND (t.esindusoiguse_kehtivus_kuni IS NULL OR t.esindusoiguse_kehtivus_kuni >= $1::date)
		AND NOT EXISTS (SELECT 1 FROM atis.adapter_mandate a WHERE a.mandate_id = t.id)
		ON CONFLICT (mandate_id) DO NOTHING`
	forgetRequests = `DELETE FROM atis.adapter_mandate_request WHERE at < $1`

	// A part of the mandates is looked at in one statement, in some hundredths of a second.
	unsettledEnd = `SELECT coalesce(max(id), 0), count(*) FROM (SELECT id FROM atis.andmeandjad_kasutajad WHERE id > $1 ORDER BY id LIMIT $2) part`
	unsettled    = `SELECT DISTINCT t.andmeandjad_id FROM (SELECT * FROM atis.andmeandjad_kasutajad WHERE id > $2 ORDER BY id LIMIT $3) t
		LEFT JOIN atis.adapter_mandate a ON a.mandate_id = t.id
		WHERE t.andmeandjad_id IS NOT NULL AND (
			t.staatus_kl = 'A' AND (t.esindusoiguse_kehtivus_kuni < $1::date OR a.state IS DISTINCT FROM 'active')
			OR t.staatus_kl <> 'A' AND a.state = 'active'
			OR a.state = 'waiting' AND (t.esindusoiguse_kehtivus_alates <= $1::date OR t.esindusoiguse_kehtivus_kuni < $1::date)
			OR t.staatus_kl <> 'A' AND a.state IS NULL AND t.esindusoiguse_kehtivus_alates > $1::date
			OR a.parent_id IS NOT NULL AND (t.staatus_kl = 'A' OR a.state = 'waiting') AND ` + orphaned + `)
		ORDER BY t.andmeandjad_id`
)

// partOfMandates is how many mandates Unsettled looks at.
const partOfMandates = 10_000

// AdoptMandates gives waiting rows of the core's a row of ours; see mandate.Store.
func (s *Store) AdoptMandates(ctx context.Context, today mandate.Date, _ time.Time) (int, error) {
	return s.count(ctx, "adopt waiting mandates", adoptMandates, date(today))
}

// ForgetRequests forgets answered requests; see mandate.Store.
func (s *Store) ForgetRequests(ctx context.Context, before time.Time) (int, error) {
	return s.count(ctx, "forget answered requests", forgetRequests, moment(before))
}

// count runs a statement and returns how many rows it met.
func (s *Store) count(ctx context.Context, doing, statement string, args ...any) (n int, err error) {
	err = s.ask(ctx, func(b *batch) {
		b.queue(doing, statement, args, func(results pgx.BatchResults) error {
			tag, err := results.Exec()
			n = int(tag.RowsAffected())
			return err
		})
	})
	return n, err
}

// Unsettled searches for the night's work; see mandate.Store.
func (s *Store) Unsettled(ctx context.Context, today mandate.Date, after int64) (ids []int64, next int64, err error) {
	var last int64
	var seen int
	err = s.read(ctx, func(b *batch) {
		b.row("search the end of a part", unsettledEnd, []any{after, partOfMandates}, &last, &seen)
		rows(b, "search unsettled mandates", unsettled, []any{date(today), after, partOfMandates}, pgx.RowTo[int64], &ids)
	})
	if seen == partOfMandates {
		next = last
	}
	return ids, next, err
}

const auditsOfMandate = `SELECT at, mandate_id, action, actor, on_behalf, client, request_id, authorizations, document_uuid, single_delegate, detail
	FROM atis.adapter_mandate_audit WHERE mandate_id = $1 ORDER BY id`

// MandateAudits returns who did what to a mandate, oldest first.
func (s *Store) MandateAudits(ctx context.Context, id int64) ([]mandate.Audit, error) {
	var list []mandate.Audit
	err := s.read(ctx, func(b *batch) {
		rows(b, fmt.Sprintf("read the audit of mandate %d", id), auditsOfMandate, []any{id}, scanMandateAudit, &list)
	})
	return list, err
}

func scanMandateAudit(r pgx.CollectableRow) (mandate.Audit, error) {
	var a mandate.Audit
	var authorizations text
	err := r.Scan((*instant)(&a.At), &a.MandateID, &a.Action, (*text)(&a.Actor), (*text)(&a.OnBehalf), (*text)(&a.Client), (*text)(&a.RequestID),
		&authorizations, (*text)(&a.Document.UUID), &a.Document.SingleDelegate, (*text)(&a.Detail))
	if err == nil {
		a.Authorizations, err = mandate.ParseAuthorizations(string(authorizations))
	}
	return a, err
}
