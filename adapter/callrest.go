package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// callREST sends one REST request through the security server (fact sheet §6).
func (c *callCommand) callREST(ctx context.Context, s Settings, h xroadhdr.Header, out io.Writer) error {
	r, err := c.restRequest(ctx, s, h)
	if err != nil {
		return err
	}
	if c.DryRun {
		return printRequest(out, r)
	}
	config, err := s.XRoad.TLS.config()
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	begin := time.Now()
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("calling the security server: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxShown))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if c.Raw {
		_, err = out.Write(answer)
	} else {
		err = printAnswer(out, response, answer, time.Since(begin).Round(time.Millisecond))
	}
	if err == nil && (response.StatusCode >= 400 || response.Header.Get("X-Road-Error") != "") {
		err = errCall
	}
	return err
}

// restRequest builds {method} /r1/{service}{path} (§6.1). Encoded parts stay as they are.
func (c *callCommand) restRequest(ctx context.Context, s Settings, h xroadhdr.Header) (*http.Request, error) {
	method := strings.ToUpper(c.REST)
	if h.Service.SubsystemCode == "" || h.Service.ServiceVersion != "" {
		return nil, errors.New("a REST service is instance/class/member/subsystem/code: a version stands in its path (--path)")
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") && !strings.HasPrefix(c.Path, "?") {
		return nil, errors.New("--path must begin with / or ?")
	}
	var body []byte
	if c.Body != "" {
		if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method) {
			return nil, fmt.Errorf("a security server does not deliver the body of a %s: only those of POST, PUT and PATCH (fact sheet §6.1)", method)
		}
		var err error
		if body, err = c.readBody(); err != nil {
			return nil, err
		}
	}
	target, err := url.Parse(strings.TrimSuffix(s.XRoad.SecurityServer, "/") + "/r1/" + h.Service.Path() + c.Path)
	if err != nil {
		return nil, fmt.Errorf("--path: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--rest: %w", err)
	}
	sent := h
	sent.Service = xroadhdr.ServiceID{} // the path names it
	if err := sent.WriteHTTP(r.Header); err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if c.Body != "" {
		r.Header.Set("Content-Type", c.Type)
	}
	return r, nil
}

func printRequest(out io.Writer, r *http.Request) error {
	fmt.Fprintf(out, "%s %s\n", r.Method, r.URL)
	printFields(out, r.Header)
	fmt.Fprintln(out)
	_, err := io.Copy(out, r.Body)
	return err
}

func printFields(out io.Writer, fields http.Header) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range fields[name] {
			fmt.Fprintf(out, "%s: %s\n", name, printable(value))
		}
	}
}

// printAnswer shows the status, what X-Road says, and the body, JSON indented.
func printAnswer(out io.Writer, response *http.Response, body []byte, took time.Duration) error {
	fmt.Fprintf(out, "answered in %s: %s\n", took, response.Status)
	printFields(out, response.Header)
	if text := response.Header.Get("X-Road-Error"); text != "" {
		code := xroadhdr.ParseErrorCode(text)
		fmt.Fprintf(out, "\nA security server made this answer.\nwhose      %s\nmeaning    %s\n", code.Kind(""), hints[code.Group("")])
	}
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") == nil {
		body = indented.Bytes()
	}
	_, err := fmt.Fprintf(out, "\n%s\n", body)
	return err
}
