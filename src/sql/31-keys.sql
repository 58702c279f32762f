-- Keys at rest: three levels (KEK outside the database, storage keys, card keys).

CREATE TABLE smsr.storage_key (
	id int PRIMARY KEY CHECK (id > 0),
	wrapped bytea NOT NULL,
	check_value bytea NOT NULL CHECK (length(check_value) = 3),
	state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retiring', 'retired')),
	kek text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX storage_key_one_active ON smsr.storage_key ((true)) WHERE state = 'active';
COMMENT ON TABLE smsr.storage_key IS 'Keys that seal card keys, each wrapped under the KEK, which is never in the database';
COMMENT ON COLUMN smsr.storage_key.wrapped IS '32 octets wrapped under the KEK: by RFC 5649, or in a token by AES-GCM (nonce, ciphertext, tag)';
COMMENT ON COLUMN smsr.storage_key.state IS 'active: seals; retiring: opens what it sealed until smsr.reseal_keys() has sealed that again; retired: seals nothing any more, opens old backups';
COMMENT ON COLUMN smsr.storage_key.kek IS 'The KEK that wrapped it: "aes:" and its check value, or the PKCS #11 URI of a key in a token';
COMMENT ON COLUMN smsr.storage_key.check_value IS 'First three octets of AES-CMAC(key, "check"): a wrong KEK is found before anything is opened with it';

CREATE TABLE smsr.transport_key (
	eum_id text NOT NULL,
	id smallint NOT NULL DEFAULT 1,
	mode text NOT NULL CHECK (mode IN ('none', 'aes-kw', 'aes-kwp', 'aes-cbc-zero-iv', '3des-ecb')),
	sealed bytea,
	check_value bytea CHECK (length(check_value) = 3),
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_until timestamptz NOT NULL DEFAULT 'infinity',
	PRIMARY KEY (eum_id, id),
	CHECK ((mode = 'none') = (sealed IS NULL))
);
COMMENT ON TABLE smsr.transport_key IS 'How each EUM wraps the key values of the EIS it sends; no row: its documents are refused';

CREATE TABLE smsr.keyset (
	eid smsr.eid NOT NULL REFERENCES smsr.euicc ON DELETE CASCADE,
	sd_aid smsr.aid NOT NULL,
	kvn smallint NOT NULL CHECK (kvn BETWEEN 1 AND 127),
	type text NOT NULL CHECK (type IN ('SCP03', 'SCP80', 'SCP81', 'TokenGeneration', 'ReceiptVerification', 'CA')),
	key_type smallint NOT NULL,
	counter bigint NOT NULL DEFAULT 0 CHECK (counter BETWEEN 0 AND 1099511627775),
	check_values bytea,
	state text NOT NULL DEFAULT 'active' CHECK (state IN ('pending', 'active', 'retiring', 'revoked', 'compromised')),
	sealed bytea NOT NULL,
	PRIMARY KEY (eid, sd_aid, kvn)
) WITH (fillfactor = 80);
-- by storage key, whose id stands in octets 2 to 5 of a blob
CREATE INDEX keyset_storage_key ON smsr.keyset (substr(sealed, 2, 4));
COMMENT ON TABLE smsr.keyset IS 'Card key sets, sealed: a blob opens only in its own row';
COMMENT ON COLUMN smsr.keyset.counter IS 'SCP80: the last counter that was used; stored before the packet leaves, never lowered';
COMMENT ON COLUMN smsr.keyset.check_values IS 'Key check values of the set''s keys in order, three octets each';

CREATE TABLE smsr.eis_inbox (
	line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	document text NOT NULL
);
COMMENT ON SEQUENCE smsr.eis_inbox_line_seq IS 'Lines of smsr.eis_inbox, which smsr.eis_reject refers to';
COMMENT ON TABLE smsr.eis_inbox IS 'EIS documents to be registered: COPY them in, then call smsr.register_inbox()';

CREATE TABLE smsr.eis_reject (
	line bigint PRIMARY KEY,
	eid text,
	element text,
	reason text NOT NULL,
	subject_code text,
	reason_code text,
	rejected_at timestamptz NOT NULL DEFAULT now(),
	document text NOT NULL
);
COMMENT ON TABLE smsr.eis_reject IS 'EIS documents that were refused, with the element and the reason; key values are blanked';
