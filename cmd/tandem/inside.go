package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/embedded"
	"github.com/tandemq/tandem/internal/mailcatch"
)

// inside is what stands in for servers that the configuration does not name.
type inside struct {
	redis *embedded.Server
	mails *boot.Group
	end   context.CancelFunc
	at    addresses
}

// startInside starts them and writes their addresses into the configuration.
func startInside(ctx context.Context, c *config.Tandem, logger *slog.Logger) (*inside, error) {
	in := &inside{end: func() {}}
	if c.EmbeddedRedis {
		if err := in.startRedis(c, logger); err != nil {
			return nil, err
		}
	}
	if c.CatchMail {
		if err := in.startMails(ctx, c, logger); err != nil {
			return nil, errors.Join(err, in.stop())
		}
	}
	return in, nil
}

func (in *inside) startRedis(c *config.Tandem, logger *slog.Logger) (err error) {
	if in.redis, err = embedded.Start(embedded.Options{}); err != nil {
		return fmt.Errorf("start embedded redis: %w", err)
	}
	logger.Info(in.redis.Banner())
	in.at.redis = in.redis.URL()
	c.API.Redis.URL = config.NewSecretURL(in.redis.URL())
	c.Worker.Redis.URL = c.API.Redis.URL
	return nil
}

func (in *inside) startMails(ctx context.Context, c *config.Tandem, logger *slog.Logger) error {
	catcher, err := mailcatch.Listen(mailcatch.Options{Logger: logger})
	if err != nil {
		return fmt.Errorf("start mail catcher: %w", err)
	}
	page, err := boot.Listen(ctx, boot.ServerOptions{
		Name: "mails", Addr: "127.0.0.1:0", Handler: locally(catcher.Handler()), Logger: logger,
	})
	if err != nil {
		return errors.Join(err, catcher.Close())
	}
	c.Worker.Mail.SMTPURL = config.NewSecretURL("smtp://" + catcher.Addr() + "?tls=none")
	in.at.mails = "http://" + page.Addr() + "/"
	var roles context.Context
	roles, in.end = context.WithCancel(context.WithoutCancel(ctx)) // the services end first
	in.mails = boot.NewGroup(roles)
	in.mails.Go("mail catcher", catcher.Run)
	in.mails.Go("mail page", page.Run)
	return nil
}

// stop ends what was started, the last first.
func (in *inside) stop() (err error) {
	in.end()
	if in.mails != nil {
		err = in.mails.Wait()
	}
	if in.redis != nil {
		in.redis.Close()
	}
	return err
}

// locally answers only those who ask for this machine by its address: a page on
// the web can have a name of its own point here, and would read the mails.
func locally(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		address, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !address.IsLoopback()) {
			http.Error(w, "This page is for this machine only.", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
