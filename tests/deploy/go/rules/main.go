// Checks files of alert rules as Prometheus reads them: the fields, the queries and the templates.
package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	faults := 0
	for _, file := range os.Args[1:] {
		_, errors := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.Default())
		for _, fault := range errors {
			faults++
			fmt.Fprintln(os.Stderr, fault)
		}
	}
	if faults > 0 {
		os.Exit(1)
	}
}
