// Package event is what the core must hear (design §8): an Event, appended by a counterpart in the
// transaction that made it true and never changed afterwards.
//
// The core hears events in two ways, at least once each, in any mixture. NewFeed serves them to
// whoever asks, after a cursor. A Webhook posts them by the Standard Webhooks convention: the
// events of one subject in order, each until it is answered with 2xx. Both write CloudEvents 1.0 in JSON.
//
// The Store keeps feed and deliveries; several replicas may share one.
package event
