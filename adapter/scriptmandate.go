package main

import (
	"context"
	"errors"
	"fmt"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// The people of the mandates' scenes, of the simulated Pääsuke's page.
var (
	companyView = simulator.Views()[0]
	juriView    = simulator.Views()[2]
	anuView     = simulator.Views()[3]
)

// mandateScenes are the day's stories about mandates.
func (d *demo) mandateScenes() []scene {
	return []scene{
		{"A company gives a mandate on eesti.ee. The delegate uses it at AT.", d.mandateGiven},
		{"A delegate waives a mandate on eesti.ee. AT no longer lets him act.", d.mandateWaived},
		{"A mandate is passed on. The company withdraws it, and what was passed on ends with it.", d.mandateBranch},
	}
}

// giveMandate has the company give a person a role on eesti.ee, and waits until the core has heard.
func (d *demo) giveMandate(ctx context.Context, to simulator.View, role string) error {
	err := d.world.Paasuke.Add(ctx, companyView.Actor, simulator.NewMandate{Representee: companyView.Self, Delegate: to.Self, Role: role, CanSubDelegate: role == "AT:ESINDAJA"})
	if err != nil {
		return err
	}
	held, err := d.heldAtAT(ctx, to)
	if err == nil && len(held) == 0 {
		err = errors.New("AT knows of no mandate")
	}
	if err != nil {
		return err
	}
	return d.heardOfMandate(ctx, mandate.EventAdded, held[len(held)-1].ID)
}

// heardOfMandate waits for an event of a mandate.
func (d *demo) heardOfMandate(ctx context.Context, kind, id string) error {
	ctx, cancel := context.WithTimeout(ctx, sceneTimeout)
	defer cancel()
	_, err := d.world.Core.Await(ctx, func(e simulator.Event) bool { return e.Type == kind && e.Subject == "mandate/"+id })
	if err != nil {
		return fmt.Errorf("the core did not hear of %s for mandate %s: %w", kind, id, err)
	}
	return nil
}

// heldAtAT is what the core finds when the person logs in for the company.
func (d *demo) heldAtAT(ctx context.Context, who simulator.View) ([]simulator.CoreMandate, error) {
	return d.world.Core.Mandates(ctx, companyView.Self.Identifier, who.Self.Identifier, false)
}

// linkOf is the person's mandate of the company as Pääsuke lists it.
func (d *demo) linkOf(ctx context.Context, who simulator.View, role string) (simulator.Mandate, error) {
	list, err := d.world.Paasuke.Held(ctx, who.Actor, who.Self.Identifier)
	if err != nil {
		return simulator.Mandate{}, err
	}
	for _, t := range list {
		for _, m := range t.Mandates {
			if t.Representee.Identifier == companyView.Self.Identifier && m.Role == role {
				return m, nil
			}
		}
	}
	return simulator.Mandate{}, fmt.Errorf("no mandate %s of %s is shown by Pääsuke", role, who.Who)
}

func (d *demo) mandateGiven(ctx context.Context) error {
	if err := d.giveMandate(ctx, juriView, "AT:ESINDAJA"); err != nil {
		return err
	}
	held, err := d.heldAtAT(ctx, juriView)
	if err == nil && (len(held) != 1 || held[0].State != string(mandate.Active)) {
		err = fmt.Errorf("AT finds %d mandates, not one that is active", len(held))
	}
	return err
}

func (d *demo) mandateWaived(ctx context.Context) error {
	if err := d.giveMandate(ctx, anuView, "AT:AVALDAJA"); err != nil {
		return err
	}
	held, err := d.heldAtAT(ctx, anuView)
	if err != nil {
		return err
	}
	m, err := d.linkOf(ctx, anuView, "AT:AVALDAJA")
	if err != nil {
		return err
	}
	if _, err := d.world.Paasuke.Waive(ctx, juriView.Actor, m.Links.Delete); err == nil {
		return errors.New("somebody else could waive it")
	}
	if _, err := d.world.Paasuke.Waive(ctx, anuView.Actor, m.Links.Delete); err != nil {
		return err
	}
	if err := d.heardOfMandate(ctx, mandate.EventEnded, held[0].ID); err != nil {
		return err
	}
	held, err = d.heldAtAT(ctx, anuView)
	if err == nil && len(held) > 0 {
		err = errors.New("AT still finds the mandate")
	}
	return err
}

// mandateBranch goes on with the mandate of mandateGiven.
func (d *demo) mandateBranch(ctx context.Context) error {
	m, err := d.linkOf(ctx, juriView, "AT:ESINDAJA")
	if err != nil {
		return err
	}
	if err := d.world.Paasuke.PassOn(ctx, juriView.Actor, m.Links.AddSubDelegate, anuView.Self, simulator.Period{}); err != nil {
		return err
	}
	passed, err := d.heldAtAT(ctx, anuView)
	if err == nil && len(passed) != 1 {
		err = errors.New("AT does not know what was passed on")
	}
	if err != nil {
		return err
	}
	ended, err := d.world.Paasuke.Withdraw(ctx, companyView.Actor, m.Links.Delete)
	if err != nil {
		return err
	}
	if len(ended) != 1 || ended[0].SubDelegate.Identifier != anuView.Self.Identifier {
		return errors.New("what ended with it was not told to Pääsuke")
	}
	if err := d.heardOfMandate(ctx, mandate.EventEnded, passed[0].ID); err != nil {
		return err
	}
	for _, who := range []simulator.View{juriView, anuView} {
		held, err := d.heldAtAT(ctx, who)
		if err != nil {
			return err
		}
		if len(held) > 0 {
			return fmt.Errorf("%s still holds a mandate", who.Who)
		}
	}
	return nil
}
