/*
 * memory.c
 *	  Allocation, byte buffers and first-in-first-out queues.
 */
#include "memory.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

static void *
checked(void *pointer)
{
	if (pointer == NULL)
	{
		log_error("out of memory");
		exit(1);
	}
	return pointer;
}

void *
memory_new(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *
memory_copy(const void *data, size_t size)
{
	void	   *copy = memory_new(size);

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *
memory_text(const char *text)
{
	return memory_copy(text, strlen(text) + 1);
}

/* Room for length more bytes; the caller writes them and adds to ->length. */
uint8_t *
buffer_reserve(Buffer *buffer, size_t length)
{
	if (buffer->start + buffer->length + length > buffer->capacity && buffer->start > 0)
	{
		if (buffer->length > 0)
			memmove(buffer->data, buffer->data + buffer->start, buffer->length);
		buffer->start = 0;
	}
	if (buffer->length + length > buffer->capacity)
	{
		size_t		capacity = buffer->capacity ? buffer->capacity : 4096;

		while (capacity < buffer->length + length)
			capacity *= 2;
		buffer->data = checked(realloc(buffer->data, capacity));
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->start + buffer->length;
}

void
buffer_append(Buffer *buffer, const void *data, size_t length)
{
	if (length == 0)
		return;
	memcpy(buffer_reserve(buffer, length), data, length);
	buffer->length += length;
}

void
buffer_consume(Buffer *buffer, size_t length)
{
	buffer->start += length;
	buffer->length -= length;
	if (buffer->length == 0)
		buffer->start = 0;
}

void
buffer_clear(Buffer *buffer)
{
	buffer->start = buffer->length = 0;
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

void
queue_init(Queue *queue, size_t item_size)
{
	memset(queue, 0, sizeof(*queue));
	queue->item_size = item_size;
}

static void
queue_grow(Queue *queue)
{
	size_t		capacity;
	uint8_t    *items;

	if (queue->count < queue->capacity)
		return;
	capacity = queue->capacity ? queue->capacity * 2 : 16;
	items = memory_new(capacity * queue->item_size);
	for (size_t i = 0; i < queue->count; i++)
		memcpy(items + i * queue->item_size, queue_at(queue, i), queue->item_size);
	free(queue->items);
	queue->items = items;
	queue->capacity = capacity;
	queue->head = 0;
}

void
queue_push(Queue *queue, const void *item)
{
	queue_grow(queue);
	queue->count++;
	memcpy(queue_at(queue, queue->count - 1), item, queue->item_size);
}

void
queue_unshift(Queue *queue, const void *item)
{
	queue_grow(queue);
	queue->head = (queue->head + queue->capacity - 1) % queue->capacity;
	queue->count++;
	memcpy(queue_at(queue, 0), item, queue->item_size);
}

void *
queue_at(const Queue *queue, size_t index)
{
	return queue->items + (queue->head + index) % queue->capacity * queue->item_size;
}

void
queue_drop(Queue *queue, size_t count)
{
	if (count == 0)
		return;
	queue->head = (queue->head + count) % queue->capacity;
	queue->count -= count;
}

void
queue_free(Queue *queue)
{
	free(queue->items);
	queue_init(queue, queue->item_size);
}
