-- Whose signatures prove that an EIS is what its manufacturer says: certificate
-- issuers, and EUMs whose certificates do not come with their documents.
-- SECURITY DEFINER: a key officer says who is trusted, and writes to no table.

CREATE TABLE smsr.trusted_certificate (
	fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 32),
	role text NOT NULL CHECK (role IN ('CI', 'EUM')),
	eum_id text CHECK (eum_id ~ '^[0-2](\.(0|[1-9][0-9]*))+$'),
	subject text NOT NULL,
	serial text NOT NULL,
	key_id bytea,
	curve text,
	valid_from timestamptz NOT NULL,
	valid_until timestamptz NOT NULL,
	certificate bytea NOT NULL,
	comment text,
	added_at timestamptz NOT NULL DEFAULT now(),
	added_by name NOT NULL,
	CHECK ((role = 'EUM') = (eum_id IS NOT NULL))
);
COMMENT ON TABLE smsr.trusted_certificate IS 'Certificate issuers (CI) that this SM-SR trusts, and EUM certificates that it was given apart from documents';
COMMENT ON COLUMN smsr.trusted_certificate.fingerprint IS 'SHA-256 of the certificate';
COMMENT ON COLUMN smsr.trusted_certificate.eum_id IS 'EUM that the certificate belongs to, whatever it says itself; NULL for a CI';
COMMENT ON COLUMN smsr.trusted_certificate.serial IS 'Serial number in hexadecimal, as the issuer gave it';
COMMENT ON COLUMN smsr.trusted_certificate.key_id IS 'SubjectKeyIdentifier, which others name the key by';
COMMENT ON COLUMN smsr.trusted_certificate.curve IS 'Curve of the public key: P-256, brainpoolP256r1 or FRP256v1';
COMMENT ON COLUMN smsr.trusted_certificate.certificate IS 'The X.509 certificate, DER';

CREATE FUNCTION smsr.trusted_certificate_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_trusted_certificate_changed'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION smsr.trusted_certificate_changed() IS 'Makes backends forget whom they trust and what they have verified';

CREATE TRIGGER trusted_certificate_changed
	AFTER INSERT OR UPDATE OR DELETE ON smsr.trusted_certificate
	FOR EACH STATEMENT EXECUTE FUNCTION smsr.trusted_certificate_changed();
-- always: an applying replica's backends have caches, too
ALTER TABLE smsr.trusted_certificate ENABLE ALWAYS TRIGGER trusted_certificate_changed;
COMMENT ON TRIGGER trusted_certificate_changed ON smsr.trusted_certificate IS 'What was verified is right only as long as its issuer is trusted';

CREATE FUNCTION smsr.read_certificate(certificate bytea,
		OUT fingerprint bytea, OUT subject text, OUT issuer text, OUT serial text, OUT key_id bytea, OUT issuer_key_id bytea,
		OUT curve text, OUT valid_from timestamptz, OUT valid_until timestamptz,
		OUT is_ca boolean, OUT self_signed boolean, OUT eum_id text, OUT der bytea)
	AS 'MODULE_PATHNAME', 'smsr_read_certificate'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.read_certificate(bytea) IS 'What an X.509 certificate says, DER or PEM; eum_id is the registered identifier among its alternative names, curve is NULL for a key of another kind';

CREATE FUNCTION smsr.certificate_problem(certificate bytea, role text) RETURNS text
	AS 'MODULE_PATHNAME', 'smsr_certificate_problem'
	LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION smsr.certificate_problem(bytea, text) IS 'Why an X.509 certificate can not be that of a CI, or of an EUM under the trusted ones, now; NULL if it can';

CREATE FUNCTION smsr.trust(role text, certificate bytea, eum_id text, comment text) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	c record;
	problem text;
	was text;
BEGIN
	SELECT r.* INTO STRICT c FROM smsr.read_certificate(certificate) AS r;
	problem := smsr.certificate_problem(certificate, role);
	IF role = 'CI' AND NOT c.self_signed THEN
		problem := CASE WHEN c.subject = c.issuer THEN 'its signature is not its own'
			ELSE format('it was issued by %s', c.issuer) END;
	ELSIF c.eum_id <> trust.eum_id THEN
		problem := format('it names EUM %s', c.eum_id);
	END IF;
	IF problem IS NOT NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('certificate of %s is not that of %s', c.subject,
				CASE role WHEN 'CI' THEN 'a CI' ELSE 'EUM ' || eum_id END),
			DETAIL = format('%s.', upper(left(problem, 1)) || substr(problem, 2)),
			HINT = 'smsr.trust_ci() takes the certificate that a CI has signed for itself, smsr.trust_eum() one that a trusted CI has signed for an EUM.';
	END IF;
	INSERT INTO smsr.trusted_certificate (fingerprint, role, eum_id, subject, serial, key_id, curve,
			valid_from, valid_until, certificate, comment, added_by)
		VALUES (c.fingerprint, role, trust.eum_id, c.subject, c.serial, c.key_id, c.curve,
			c.valid_from, c.valid_until, c.der, comment, coalesce(smsr.caller(), session_user))
		ON CONFLICT ON CONSTRAINT trusted_certificate_pkey DO NOTHING;
	IF NOT FOUND THEN
		SELECT concat_ws(' ', t.role, t.eum_id) INTO was FROM smsr.trusted_certificate AS t WHERE t.fingerprint = c.fingerprint;
		RAISE unique_violation USING
			MESSAGE = format('certificate of %s is trusted already', c.subject),
			DETAIL = format('It is there as that of %s.', was);
	END IF;
	RETURN c.fingerprint;
END
$$;
COMMENT ON FUNCTION smsr.trust(text, bytea, text, text) IS 'Adds a certificate to those that are trusted, after it was found to be what role says; returns the fingerprint';

CREATE FUNCTION smsr.trust_ci(certificate bytea, comment text DEFAULT NULL) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	RETURN smsr.trust('CI', certificate, NULL, comment);
END
$$;
COMMENT ON FUNCTION smsr.trust_ci(bytea, text) IS 'Trusts a certificate issuer by its self-signed X.509 certificate, DER or PEM; returns the fingerprint';

CREATE FUNCTION smsr.trust_eum(eum_id text, certificate bytea, comment text DEFAULT NULL) RETURNS bytea
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
BEGIN
	IF eum_id !~ '^[0-2](\.(0|[1-9][0-9]*))+$' IS NOT FALSE THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'eum_id is not an object identifier',
			DETAIL = 'An EUM''s is like 1.3.6.1.4.1.99999.1.';
	END IF;
	RETURN smsr.trust('EUM', certificate, eum_id, comment);
END
$$;
COMMENT ON FUNCTION smsr.trust_eum(text, bytea, text) IS 'Adds an EUM''s certificate: for documents that come without it, and for certificates that do not name their EUM; a trusted CI must have issued it';

CREATE FUNCTION smsr.distrust(fingerprint bytea) RETURNS text
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
AS $$
DECLARE
	gone text;
BEGIN
	DELETE FROM smsr.trusted_certificate AS t WHERE t.fingerprint = distrust.fingerprint RETURNING t.subject INTO gone;
	IF NOT FOUND THEN
		RAISE no_data_found USING
			MESSAGE = format('no certificate with fingerprint %s is trusted', encode(fingerprint, 'hex')),
			HINT = 'smsr.trusted_certificate has those that are.';
	END IF;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION smsr.distrust(bytea) IS 'Takes a certificate from those that are trusted and returns its subject; eUICCs that were registered by it stay';
