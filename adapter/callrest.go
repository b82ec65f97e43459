package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
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
	config, err := s.securityServerTLS()
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

// restRequest is the HTTP request to the security server.
func (c *callCommand) restRequest(ctx context.Context, s Settings, h xroadhdr.Header) (*http.Request, error) {
	call := rest.Call{Header: h, Method: strings.ToUpper(c.REST), Path: c.Path, ContentType: c.Type}
	if c.Body != "" {
		var err error
		if call.Body, err = c.readBody(); err != nil {
			return nil, err
		}
	}
	return call.Request(ctx, s.XRoad.SecurityServer)
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
