package simulator

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
)

//go:embed pages
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// payerTexts are the words of the payer's page in one language.
type payerTexts struct {
	Language, Title, Order, Amount, Reference, Until, Choose, Pay, Decline, Back, Leave, Left, Note string
	States                                                                                          map[OrderState]string
}

var payerEstonian = payerTexts{
	Language: "et", Title: "Maksmine", Order: "Tellimus", Amount: "Summa", Reference: "Viitenumber", Until: "Maksta kuni",
	Choose: "Maksan kaardiga", Pay: "Kinnitan makse", Decline: "Pank lükkab kaardi tagasi", Back: "Tagasi kaupmehe juurde, maksmata",
	Leave: "Lahkun lehelt", Left: "Lahkusite lehelt. Makset ei tehtud; tellimus aegub iseenesest.",
	Note: "See on maksemooduli jäljendus. Päris raha siin ei liigu.",
	States: map[OrderState]string{OrderCreated: "ootab makseviisi valikut", OrderPending: "ootab makse kinnitust",
		OrderCompleted: "makstud", OrderCancelled: "tühistatud"},
}

var payerEnglish = payerTexts{
	Language: "en", Title: "Payment", Order: "Order", Amount: "Amount", Reference: "Reference number", Until: "Pay before",
	Choose: "Pay by card", Pay: "Confirm the payment", Decline: "The bank declines the card", Back: "Back to the merchant, without paying",
	Leave: "Walk away", Left: "You have left. Nothing was paid; the order will expire by itself.",
	Note: "This is a simulated payment module. No real money moves here.",
	States: map[OrderState]string{OrderCreated: "waiting for a payment method", OrderPending: "waiting for the payment",
		OrderCompleted: "paid", OrderCancelled: "cancelled"},
}

// PayerHandler serves the payer's page: GET /pay/{id}, and its buttons, which
// are POSTs below it. Pages of other sites cannot press them.
func (e *EMTA) PayerHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pay/{id}", e.showPayerPage)
	mux.HandleFunc("POST /pay/{id}/choose", e.payerMove(e.ChooseMethod, false))
	mux.HandleFunc("POST /pay/{id}/pay", e.payerMove(e.Pay, true))
	mux.HandleFunc("POST /pay/{id}/decline", e.payerMove(e.Refuse, true))
	mux.HandleFunc("POST /pay/{id}/back", e.payerMove(e.CancelByPayer, true))
	mux.HandleFunc("POST /pay/{id}/leave", e.leave)
	return http.NewCrossOriginProtection().Handler(mux)
}

type payerPage struct {
	Order  Order
	Amount string
	Until  string
	Text   payerTexts
	Open   bool
	Left   bool
}

func (e *EMTA) showPayerPage(w http.ResponseWriter, r *http.Request) { e.payerPage(w, r, false) }

// leave changes nothing: whoever walks away tells nobody.
func (e *EMTA) leave(w http.ResponseWriter, r *http.Request) { e.payerPage(w, r, true) }

func (e *EMTA) payerPage(w http.ResponseWriter, r *http.Request, left bool) {
	o, ok := e.Order(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	page := payerPage{Order: o, Amount: o.Amount.StringFixed(2), Until: o.Expires.Format("15:04:05"), Text: payerEnglish,
		Open: o.State == OrderCreated || o.State == OrderPending, Left: left}
	if o.Language == "et" {
		page.Text = payerEstonian
	}
	show(w, "pay.html", page)
}

func (e *EMTA) payerMove(move func(id string) error, home bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if err := move(id); err != nil {
			refuseMove(w, err)
			return
		}
		o, _ := e.Order(id)
		target := "/pay/" + id
		if home {
			target = o.Redirect // checked to be http or https when the order was made
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	}
}

func refuseMove(w http.ResponseWriter, err error) {
	status := http.StatusConflict
	if errors.Is(err, ErrNotFound) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

func show(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		panic(http.ErrAbortHandler) // the reader left in the middle of the page
	}
}
