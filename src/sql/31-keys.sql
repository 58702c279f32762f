-- Keys at rest: three levels (KEK outside the database, storage keys, card keys).

CREATE TABLE smsr.storage_key (
	id int PRIMARY KEY CHECK (id > 0),
	wrapped bytea NOT NULL,
	check_value bytea NOT NULL CHECK (length(check_value) = 3),
	state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retiring', 'retired')),
	kek text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	custodians name[] NOT NULL DEFAULT ARRAY[smsr.caller()],
	approval_id bigint
);
CREATE UNIQUE INDEX storage_key_one_active ON smsr.storage_key ((true)) WHERE state = 'active';
COMMENT ON TABLE smsr.storage_key IS 'Keys that seal card keys, each wrapped under the KEK, which is never in the database';
COMMENT ON COLUMN smsr.storage_key.wrapped IS '32 octets wrapped under the KEK: by RFC 5649, or in a token by AES-GCM (nonce, ciphertext, tag)';
COMMENT ON COLUMN smsr.storage_key.state IS 'active: seals; retiring: opens what it sealed until smsr.reseal_keys() has sealed that again; retired: seals nothing any more, opens old backups';
COMMENT ON COLUMN smsr.storage_key.kek IS 'The KEK that wrapped it: "aes:" and its check value, or the PKCS #11 URI of a key in a token';
COMMENT ON COLUMN smsr.storage_key.custodians IS 'Roles of the people who made it';
COMMENT ON COLUMN smsr.storage_key.approval_id IS 'What a second person said yes to (smsr.approval); NULL: no rule asked for one';
COMMENT ON COLUMN smsr.storage_key.check_value IS 'First three octets of AES-CMAC(key, "check"): a wrong KEK is found before anything is opened with it';

CREATE TABLE smsr.transport_key (
	eum_id text NOT NULL,
	id smallint NOT NULL DEFAULT 1,
	mode text NOT NULL CHECK (mode IN ('none', 'aes-kw', 'aes-kwp', 'aes-cbc-zero-iv', '3des-ecb', 'aes-ecb-pkcs7')),
	sealed bytea,
	check_value bytea CHECK (length(check_value) = 3),
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_until timestamptz NOT NULL DEFAULT 'infinity',
	created_at timestamptz NOT NULL DEFAULT now(),
	custodians name[] NOT NULL DEFAULT ARRAY[smsr.caller()],
	approval_id bigint,
	ceremony_id bigint,
	PRIMARY KEY (eum_id, id),
	CHECK ((mode = 'none') = (sealed IS NULL))
);
COMMENT ON TABLE smsr.transport_key IS 'How each EUM wraps the key values of the EIS it sends; no row: its documents are refused';
COMMENT ON COLUMN smsr.transport_key.custodians IS 'Roles of the people who brought it, each a component if it came in a ceremony';
COMMENT ON COLUMN smsr.transport_key.ceremony_id IS 'The ceremony that it came in (smsr.key_ceremony); NULL: it came in one piece';

CREATE TABLE smsr.master_key (
	name text PRIMARY KEY CHECK (name <> ''),
	scheme text NOT NULL CHECK (scheme IN ('visa2', 'emv-cps11', 'kdf3', 'eid-cmac')),
	allowed_use text NOT NULL DEFAULT 'diversify' CHECK (allowed_use = 'diversify'),
	sealed bytea,
	check_value bytea NOT NULL CHECK (length(check_value) = 3),
	derived bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	destroyed_at timestamptz,
	custodians name[] NOT NULL DEFAULT ARRAY[smsr.caller()],
	approval_id bigint,
	ceremony_id bigint,
	CHECK ((destroyed_at IS NULL) = (sealed IS NOT NULL))
);
COMMENT ON TABLE smsr.master_key IS 'Keys from which those of a batch of cards are derived, once, when they are imported: no packet is ever secured from here';
COMMENT ON COLUMN smsr.master_key.scheme IS 'How: visa2, emv-cps11 (triple DES), kdf3 (AES), or eid-cmac, which is this SM-SR''s own';
COMMENT ON COLUMN smsr.master_key.allowed_use IS 'Nothing else is done with it';
COMMENT ON COLUMN smsr.master_key.derived IS 'Key sets that were derived from it';

CREATE TABLE smsr.key_ceremony (
	id bigint PRIMARY KEY DEFAULT smsr.next_id(),
	kind text NOT NULL CHECK (kind IN ('transport', 'master')),
	name text NOT NULL,
	variant text NOT NULL,
	components smallint NOT NULL CHECK (components BETWEEN 2 AND 8),
	check_value bytea NOT NULL CHECK (length(check_value) = 3),
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed', 'aborted', 'expired')),
	begun_at timestamptz NOT NULL DEFAULT now(),
	begun_by name NOT NULL,
	expires_at timestamptz NOT NULL,
	ended_at timestamptz,
	because text,
	CHECK ((state = 'open') = (ended_at IS NULL))
);
COMMENT ON TABLE smsr.key_ceremony IS 'Keys that come in components, each brought by another person, so that nobody has the key';
COMMENT ON COLUMN smsr.key_ceremony.name IS 'The EUM''s OID, or the master key''s name';
COMMENT ON COLUMN smsr.key_ceremony.variant IS 'The wrap mode, or the scheme';
COMMENT ON COLUMN smsr.key_ceremony.check_value IS 'Of the whole key, as its maker said before; failed: the components make another key';

CREATE TABLE smsr.key_component (
	ceremony_id bigint NOT NULL REFERENCES smsr.key_ceremony ON DELETE CASCADE,
	number smallint NOT NULL CHECK (number > 0),
	sealed bytea,
	check_value bytea NOT NULL CHECK (length(check_value) = 3),
	entered_at timestamptz NOT NULL DEFAULT now(),
	entered_by name NOT NULL,
	session_by name NOT NULL,
	PRIMARY KEY (ceremony_id, number)
);
COMMENT ON TABLE smsr.key_component IS 'Components of keys: who brought which; sealed only as long as the ceremony is open';
COMMENT ON COLUMN smsr.key_component.session_by IS 'Who was logged in: two roles of one login are one person';

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
	first_counter bigint NOT NULL DEFAULT 0,
	origin text NOT NULL DEFAULT 'EIS' CHECK (origin IN ('EIS', 'import', 'rotation', 'SM-SR change', 'establishment')),
	created_at timestamptz NOT NULL DEFAULT now(),
	custodian text DEFAULT smsr.caller(),
	approval_id bigint,
	state_at timestamptz NOT NULL DEFAULT now(),
	replaces text CHECK (replaces IN ('revoked', 'compromised')),
	PRIMARY KEY (eid, sd_aid, kvn),
	CHECK (replaces IS NULL OR state = 'pending')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
-- The counter is raised in place: no index on what a packet changes, and room for another
-- version of each row of a page, since a campaign takes neighbours in one transaction.
CREATE INDEX keyset_retiring ON smsr.keyset (state_at) WHERE state = 'retiring';
CREATE INDEX keyset_open ON smsr.keyset (state) WHERE state IN ('pending', 'compromised');
-- by storage key, whose id stands in octets 2 to 5 of a blob
CREATE INDEX keyset_storage_key ON smsr.keyset (substr(sealed, 2, 4));
COMMENT ON TABLE smsr.keyset IS 'Card key sets, sealed: a blob opens only in its own row';
COMMENT ON COLUMN smsr.keyset.counter IS 'SCP80: the last counter that was used; stored before the packet leaves, never lowered';
COMMENT ON COLUMN smsr.keyset.first_counter IS 'The counter that it came with: what lies between is use, and the leaps of smsr.advance_counters()';
COMMENT ON COLUMN smsr.keyset.origin IS 'How it came: with the EIS, by smsr.import_keys(), by PUT KEY, or by a key establishment, that of an SM-SR change or another';
COMMENT ON COLUMN smsr.keyset.custodian IS 'Role on whose call it came';
COMMENT ON COLUMN smsr.keyset.approval_id IS 'What a second person said yes to (smsr.approval); NULL: no rule asked for one';
COMMENT ON COLUMN smsr.keyset.state IS 'pending: made, perhaps on the card, not proven; active: what is sent is secured under it; retiring: opens what still comes; revoked, compromised: out of use';
COMMENT ON COLUMN smsr.keyset.state_at IS 'Since when it is in this state';
COMMENT ON COLUMN smsr.keyset.replaces IS 'Of a pending set: the state of the one under the same number that the card is to replace by it';
COMMENT ON COLUMN smsr.keyset.check_values IS 'Key check values of the set''s keys in order, three octets each';

CREATE TABLE smsr.keyset_listed (
	eid smsr.eid NOT NULL REFERENCES smsr.euicc ON DELETE CASCADE,
	sd_aid smsr.aid NOT NULL,
	kvn smallint NOT NULL CHECK (kvn BETWEEN 1 AND 127),
	type text NOT NULL CHECK (type IN ('SCP03', 'SCP80', 'SCP81', 'TokenGeneration', 'ReceiptVerification', 'CA')),
	state text NOT NULL CHECK (state IN ('awaited', 'apart', 'public')),
	because text,
	counter bigint CHECK (counter BETWEEN 0 AND 1099511627775),
	keys smallint NOT NULL DEFAULT 0,
	check_values bytea NOT NULL DEFAULT '',
	certificate_indexes smallint[] NOT NULL DEFAULT '{}',
	ca_ids bytea[] NOT NULL DEFAULT '{}',
	certificates bytea[] NOT NULL DEFAULT '{}',
	listed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (eid, sd_aid, kvn),
	CHECK ((state = 'apart') = (because IS NOT NULL)),
	CHECK (cardinality(certificate_indexes) = cardinality(certificates) AND cardinality(ca_ids) = cardinality(certificates))
);
CREATE INDEX keyset_awaited ON smsr.keyset_listed (eid) WHERE state = 'awaited';
COMMENT ON TABLE smsr.keyset_listed IS 'What an EIS says of key sets of its ISD-R beside the keys in smsr.keyset: nothing that stands there is dropped without a trace';
COMMENT ON COLUMN smsr.keyset_listed.state IS 'awaited: its keys are to come by smsr.import_keys(); apart: its keys are not kept here; public: there is nothing secret in it';
COMMENT ON COLUMN smsr.keyset_listed.because IS 'Why its keys are not kept here';
COMMENT ON COLUMN smsr.keyset_listed.counter IS 'The last counter that was used, if the EIS says it';
COMMENT ON COLUMN smsr.keyset_listed.keys IS 'How many keys the EIS names in it';
COMMENT ON COLUMN smsr.keyset_listed.check_values IS 'What the EIS says of their check values, three octets each, zeros where it says nothing: keys that are imported are compared with them';
COMMENT ON COLUMN smsr.keyset_listed.certificates IS 'Certificates in the set, with their index and the identifier of who issued them beside';

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

CREATE TABLE smsr.key_inbox (
	line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	eid text,
	kvn text,
	type text,
	master text,
	kdd text,
	key_length text,
	keys text,
	key_types text,
	check_values text,
	counter text
);
COMMENT ON SEQUENCE smsr.key_inbox_line_seq IS 'Lines of smsr.key_inbox, which smsr.key_reject refers to';
COMMENT ON TABLE smsr.key_inbox IS 'Key sets to be imported: COPY them in, then call smsr.import_keys(); all is text, so that a bad line is one reject and not the end of the COPY';
COMMENT ON COLUMN smsr.key_inbox.kvn IS 'Key version, decimal';
COMMENT ON COLUMN smsr.key_inbox.type IS 'SCP80, SCP03 or SCP81; NULL: what the key version says (SGP.02 clause 2.2.5.1)';
COMMENT ON COLUMN smsr.key_inbox.master IS 'Name of the master key to derive from; NULL: the keys are in this line';
COMMENT ON COLUMN smsr.key_inbox.kdd IS 'Key diversification data, 10 octets in hexadecimal; scheme eid-cmac goes by the EID';
COMMENT ON COLUMN smsr.key_inbox.key_length IS 'Octets of each key, for scheme eid-cmac; NULL: as long as the master key';
COMMENT ON COLUMN smsr.key_inbox.keys IS 'Key values in order, in hexadecimal, wrapped under the transport key of the eUICC''s EUM, a space between them';
COMMENT ON COLUMN smsr.key_inbox.key_types IS 'Their types in hexadecimal (88 AES, 80 DES, 85 PSK), a space between them; one for all, or NULL: AES, and for SCP81 a PSK and then AES';
COMMENT ON COLUMN smsr.key_inbox.check_values IS 'Key check values that were delivered, in order, in hexadecimal';
COMMENT ON COLUMN smsr.key_inbox.counter IS 'SCP80: the last counter that was used; NULL: 0';

CREATE TABLE smsr.key_reject (
	line bigint PRIMARY KEY,
	eid text,
	kvn text,
	type text,
	master text,
	kdd text,
	check_values text,
	reason text NOT NULL,
	rejected_at timestamptz NOT NULL DEFAULT now(),
	rejected_by name DEFAULT smsr.caller()
);
COMMENT ON TABLE smsr.key_reject IS 'Lines of smsr.key_inbox that were refused, with the reason; without their key values';
