package cron

// clock is the time of day that a line asks for.
type clock struct{ second, minute, hour set }

// allHours is the hour field that is due in every hour of the day.
const allHours set = 1<<24 - 1

func parseClock(raw line) (c clock, err error) {
	if c.second, err = secondSpec.values(raw[0]); err != nil {
		return clock{}, err
	}
	if c.minute, err = minuteSpec.values(raw[1]); err != nil {
		return clock{}, err
	}
	if c.hour, err = hourSpec.values(raw[2]); err != nil {
		return clock{}, err
	}
	return c, nil
}

// from returns the first match at or after a time of day, both in seconds since
// midnight, or false if the rest of the day has none.
func (c clock) from(tod int64) (int64, bool) {
	h, m, s := int(tod/3600), int(tod/60%60), int(tod%60)
	if c.hour.has(h) {
		if c.minute.has(m) {
			if s, ok := c.second.from(s); ok {
				return timeOfDay(h, m, s), true
			}
		}
		if m, ok := c.minute.from(m + 1); ok {
			return timeOfDay(h, m, c.second.min()), true
		}
	}
	h, ok := c.hour.from(h + 1)
	return timeOfDay(h, c.minute.min(), c.second.min()), ok
}

func timeOfDay(h, m, s int) int64 { return int64(h*3600 + m*60 + s) }
