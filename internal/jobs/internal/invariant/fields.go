package invariant

import (
	"encoding/json"
	"math"
	"strconv"
)

// fieldsAreComplete: every client finds in a job what it cannot do without, in
// a form that it can read.
func (c *checker) fieldsAreComplete() {
	c.jobs(func(id string, fields map[string]string) {
		for _, name := range []string{"name", "data", "opts", "timestamp", "delay", "priority"} {
			if _, ok := fields[name]; !ok {
				c.report("job %s has no field %s", id, name)
			}
		}
		for _, name := range []string{"timestamp", "delay", "priority", "processedOn", "finishedOn", "ats", "atm", "stc"} {
			c.isNumber(id, fields, name)
		}
		for _, name := range []string{"data", "progress", "returnvalue"} {
			c.isJSON(id, fields, name, new(any))
		}
		c.isJSON(id, fields, "opts", &map[string]any{})
		c.isJSON(id, fields, "parent", &map[string]any{})
		c.isJSON(id, fields, "stacktrace", &[]string{})
		if _, started := fields["processedOn"]; c.in("active", id) && !started {
			c.report("job %s is active and has no processedOn", id)
		}
	})
}

func (c *checker) isNumber(id string, fields map[string]string, name string) {
	text, ok := fields[name]
	if _, fine := number(text); ok && !fine {
		c.report("field %s of job %s is no number: %q", name, id, text)
	}
}

func (c *checker) isJSON(id string, fields map[string]string, name string, into any) {
	text, ok := fields[name]
	if ok && json.Unmarshal([]byte(text), into) != nil {
		c.report("field %s of job %s is not the JSON it should be: %q", name, id, text)
	}
}

func number(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}
